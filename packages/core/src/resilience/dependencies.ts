// The parts that this process asks, by name: a database, a mail server, another service. Each has its breaker, most have a
// bulkhead and may be retried; operators see how they are and can force them.

import type { Logger } from "../log.ts";
import {
  type Breaker,
  type BreakerFigures,
  type BreakerOptions,
  createBreaker,
  type Forced,
} from "./breaker.ts";
import { type BulkheadFigures, type BulkheadOptions, createBulkhead } from "./bulkhead.ts";
import { currentDeadline } from "./deadline.ts";
import { createRetryBudget, type RetryOptions, retry } from "./retry.ts";

export type DependencyFigures = BreakerFigures & {
  name: string;
  bulkhead: BulkheadFigures | null;
  retries: { left: number; retries: number; denied: number };
};

/** Every part that there is to ask, besides services that are split out: what operators can take out of use. */
export const partNames = ["postgres", "replica", "redis", "smtp"] as const;
/** Of what there are several each has its number. */
export type PartName = (typeof partNames)[number] | `replica-${number}` | `service.${string}`;

export type Dependency = {
  readonly breaker: Breaker;
  /** Bulkhead, breaker and, where the work may be done twice, retries; ends with the call that it is part of. */
  run<T>(
    work: (attempt: number) => Promise<T>,
    options?: Partial<Omit<RetryOptions, "budget" | "deadline">>,
  ): Promise<T>;
  figures(): DependencyFigures;
};

export type Dependencies = {
  /** The same one when asked again. */
  open(
    options: Omit<BreakerOptions, "name" | "forced" | "onChange"> & {
      name: PartName;
      bulkhead?: Omit<BulkheadOptions, "title">;
    },
  ): Dependency;
  list(): DependencyFigures[];
};

export function createDependencies({
  log,
  forced,
}: {
  log: Logger;
  /** The operators' word on a name. */
  forced: (name: string) => Forced;
}): Dependencies {
  const opened = new Map<string, Dependency>();
  return {
    open({ bulkhead: room, ...options }) {
      const { name, title = name } = options;
      const known = opened.get(name);
      if (known) return known;
      const breaker = createBreaker({
        ...options,
        forced: () => forced(name),
        onChange: (state, reason) =>
          state === "open"
            ? log.warn({ dependency: name, reason }, "a part does not answer; it is not asked for a while")
            : log.info({ dependency: name, state, reason }, "a part is asked again"),
      });
      const bulkhead = room && createBulkhead({ title, ...room });
      const budget = createRetryBudget();
      const dependency: Dependency = {
        breaker,
        run(work, { idempotent = false, ...more } = {}) {
          const deadline = currentDeadline();
          return retry({ ...more, idempotent, budget, deadline }, (attempt) =>
            bulkhead
              ? bulkhead.run(() => breaker.run(() => work(attempt)), deadline)
              : breaker.run(() => work(attempt)),
          );
        },
        figures: () => ({
          name,
          ...breaker.figures(),
          bulkhead: bulkhead?.figures() ?? null,
          retries: budget.figures(),
        }),
      };
      opened.set(name, dependency);
      return dependency;
    },
    list: () => [...opened.values()].map((dependency) => dependency.figures()),
  };
}

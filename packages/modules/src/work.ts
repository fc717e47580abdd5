// Work of a module that is done on a queue: asked for where it is needed, done by whichever worker has room, later or on a
// schedule. Its queue bears its name, which is also the switch that holds it.

import { isRedisAway } from "@signalbox/core/bus/redis-faults";
import { AppError } from "@signalbox/core/errors";
import { newId } from "@signalbox/core/ids";
import {
  type AddOptions,
  defineQueue,
  type JobInfo,
  type QueueDefinition,
} from "@signalbox/core/queue/definition";
import { childOf, formatTraceparent, readTraceparent } from "@signalbox/core/trace-context";
import type { Ctx, Deps } from "./ctx.ts";
import { isPartAway } from "./run-jobs.ts";

export type Work<Data = never> = {
  queue: QueueDefinition<Data>;
  run: (ctx: Ctx, data: Data) => Promise<void>;
  /** Done so often, by one of all processes, with this. */
  schedule?: { everyMs: number; data: Data };
};

/** It may run twice, where a process dies at its end: make the second run harmless. */
export function defineWork<Data>(
  queue: Parameters<typeof defineQueue<Data>>[0],
  run: Work<Data>["run"],
  schedule?: Work<Data>["schedule"],
): Work<Data> {
  return { queue: defineQueue(queue), run, ...(schedule ? { schedule } : {}) };
}

export type AnyWork = Work<never>;

/** Asks for it; under the same id once, until it is done. What is gathered is known by its id for that long only: then it may run twice. */
export async function ask<Data>(
  ctx: Ctx,
  { queue }: Work<Data>,
  data: Data,
  options: Pick<AddOptions, "id" | "delayMs" | "priority"> = {},
): Promise<void> {
  const { requestId, traceparent } = ctx;
  try {
    await ctx.queues.add(queue, data, { ...options, cause: { requestId, traceparent } });
  } catch (error) {
    if (!isRedisAway(error)) throw error;
    throw new AppError("unavailable", "the queues are away; try again shortly", {
      cause: error,
      retryAfterMs: 1_000,
    });
  }
}

export function startWork(deps: Deps, all: AnyWork[]): void {
  for (const { queue, run } of all)
    deps.queues.work(queue, (data, job) => run(workCtx(deps, queue.name, job), data), {
      isAway: isPartAway,
      isOff: () => deps.live.rules().offForAll(queue.name, deps.now().getTime()),
      // A share meets a person's work as it meets his calls.
      waits: (data, id) =>
        deps.live
          .rules()
          .off(queue.name, (data as { userId?: string }).userId ?? id, deps.now().getTime()) !== undefined,
    });
}

/** On all processes the same; resolves once they stand. */
export async function scheduleWork({ queues }: Pick<Deps, "queues">, all: AnyWork[]): Promise<void> {
  for (const { queue, schedule } of all)
    if (schedule) await queues.repeat(queue, schedule.data, schedule.everyMs);
}

function workCtx(deps: Deps, name: string, { cause, id, attempt }: JobInfo): Ctx {
  const trace = childOf(cause && readTraceparent(cause.traceparent));
  const requestId = cause?.requestId ?? newId();
  return {
    ...deps,
    log: deps.log.child({ requestId, traceId: trace.traceId, queue: name, job: id, attempt }),
    actor: { kind: "job", name },
    requestId,
    traceparent: formatTraceparent(trace),
    variant: "stable",
    address: "",
    userAgent: "",
    answer: { headers: {} },
  };
}

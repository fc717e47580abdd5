// Heavy work takes turns: so much at once, the others wait for a place, and what waits is bounded.

import { AppError } from "@signalbox/core/errors";

export type Turns = {
  atOnce: number;
  maxWaiting: number;
  /** What those are told for whom there is no place to wait. */
  refusal: string;
  retryAfterMs: number;
  /** So long at most is waited for company. */
  companyMs: number;
};

/**
 * While others wait for a place, who is done waits a moment for company, and they go on together: between two pieces of work that
 * empty every cache of the processor, what follows costs each of several a quarter less than it costs one alone. With nobody waiting,
 * nobody is held up.
 */
export function createTurns({ atOnce, maxWaiting, refusal, retryAfterMs, companyMs }: Turns) {
  let running = 0;
  const waiting: (() => void)[] = [];
  let done: (() => void)[] = [];
  let departure: NodeJS.Timeout | undefined;

  function company(): Promise<void> | undefined {
    if (waiting.length === 0) {
      depart();
      return;
    }
    departure ??= setTimeout(depart, companyMs);
    return new Promise((resolve) => done.push(resolve));
  }

  function depart(): void {
    clearTimeout(departure);
    departure = undefined;
    const together = done;
    done = [];
    for (const leave of together) leave();
  }

  return async function inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (running >= atOnce) {
      if (waiting.length >= maxWaiting) throw new AppError("overloaded", refusal, { retryAfterMs });
      await new Promise<void>((resolve) => waiting.push(resolve));
    } else running += 1;
    try {
      return await work();
    } finally {
      // The place is handed on, so that nobody slips in between.
      const next = waiting.shift();
      if (next) next();
      else running -= 1;
      await company();
    }
  };
}

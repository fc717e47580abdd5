// So many loads at the source at once and no more: a storm of misses becomes a line here, not a heap there.

import { AppError } from "../errors.ts";

export type LoadGate = {
  run<T>(work: () => Promise<T>): Promise<T>;
  readonly running: number;
  readonly waiting: number;
};

export function createLoadGate(
  maxLoads: () => number,
  { maxWaiting = 2_000, waitMs = 2_000 } = {},
): LoadGate {
  let running = 0;
  const line: { enter(): void; refuse(error: AppError): void }[] = [];

  const overloaded = () =>
    new AppError("overloaded", "too much is being read anew at this moment; try again shortly", {
      retryAfterMs: 1_000,
    });

  function enter(): Promise<void> | undefined {
    if (running < maxLoads()) {
      running += 1;
      return undefined;
    }
    if (line.length >= maxWaiting) throw overloaded();
    return new Promise((resolve, reject) => {
      const turn = {
        enter() {
          clearTimeout(timer);
          running += 1;
          resolve();
        },
        refuse: reject,
      };
      const timer = setTimeout(() => {
        line.splice(line.indexOf(turn), 1);
        reject(overloaded());
      }, waitMs);
      line.push(turn);
    });
  }

  return {
    async run(work) {
      await enter();
      try {
        return await work();
      } finally {
        running -= 1;
        while (running < maxLoads() && line.length > 0) line.shift()!.enter();
      }
    },
    get running() {
      return running;
    },
    get waiting() {
      return line.length;
    },
  };
}

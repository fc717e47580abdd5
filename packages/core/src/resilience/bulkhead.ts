// So many at once, so many more in line, nobody for longer than it makes sense: one slow part does not fill the process.

import { AppError } from "../errors.ts";
import { type Deadline, onEnd } from "./deadline.ts";

export type BulkheadFigures = {
  running: number;
  waiting: number;
  maxConcurrent: number;
  maxQueue: number;
  refused: number;
};

export type Bulkhead = {
  run<T>(work: () => Promise<T>, deadline?: Deadline): Promise<T>;
  figures(): BulkheadFigures;
};

export type BulkheadOptions = {
  /** What callers read: `mail`. */
  title: string;
  maxConcurrent: number;
  maxQueue: number;
  maxWaitMs: number;
};

export function createBulkhead({ title, maxConcurrent, maxQueue, maxWaitMs }: BulkheadOptions): Bulkhead {
  const line: (() => void)[] = [];
  let running = 0;
  let refused = 0;

  function refuse(): AppError {
    refused += 1;
    return new AppError("overloaded", `too much waits for ${title}; try again shortly`, {
      retryAfterMs: 500 + Math.floor(Math.random() * 1_500),
    });
  }

  function wait(deadline: Deadline | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const enter = () => {
        stop();
        resolve();
      };
      const leave = (why: AppError) => {
        line.splice(line.indexOf(enter), 1);
        stop();
        reject(why);
      };
      const timer = setTimeout(() => leave(refuse()), maxWaitMs);
      const watch = deadline && onEnd(deadline, leave);
      const stop = () => {
        clearTimeout(timer);
        watch?.[Symbol.dispose]();
      };
      line.push(enter);
    });
  }

  return {
    async run(work, deadline) {
      if (running >= maxConcurrent) {
        if (line.length >= maxQueue) throw refuse();
        // Whoever leaves hands over its place.
        await wait(deadline);
      } else running += 1;
      try {
        return await work();
      } finally {
        const next = line.shift();
        if (next) next();
        else running -= 1;
      }
    },
    figures: () => ({ running, waiting: line.length, maxConcurrent, maxQueue, refused }),
  };
}

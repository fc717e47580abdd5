// How long jobs take. Kept in Redis for all processes, of the last ones that were done.

import type { Redis } from "../redis.ts";

/** Of so many that were done last it is known how long they took. */
const keptTimes = 200;
const tellMs = 500;

export function createTimes({ redis, keyOf }: { redis(): Redis; keyOf(queue: string): string }) {
  // Told together, now and then: for a job that is short it would cost more than the job.
  const noted = new Map<string, number[]>();
  let telling: NodeJS.Timeout | undefined;

  async function tell(): Promise<void> {
    clearTimeout(telling);
    telling = undefined;
    const told = [...noted].map(([queue, times]) =>
      redis()
        .pipeline()
        .lpush(keyOf(queue), ...times.slice(-keptTimes))
        .ltrim(keyOf(queue), 0, keptTimes - 1)
        .exec()
        .catch(() => {}),
    );
    noted.clear();
    await Promise.all(told);
  }

  return {
    note(queue: string, ms: number): void {
      const times = noted.get(queue) ?? [];
      noted.set(queue, times);
      times.push(Math.round(ms));
      telling ??= setTimeout(() => void tell(), tellMs).unref();
    },

    tell,

    /** Null where none has been done. */
    async read(queue: string): Promise<{ p50Ms: number; p95Ms: number } | null> {
      await tell();
      const times = (await redis().lrange(keyOf(queue), 0, -1)).map(Number).sort((a, b) => a - b);
      if (times.length === 0) return null;
      const atRank = (share: number) => times[Math.ceil(times.length * share) - 1]!;
      return { p50Ms: atRank(0.5), p95Ms: atRank(0.95) };
    },
  };
}

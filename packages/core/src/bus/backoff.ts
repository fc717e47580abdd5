// How long to wait before the next attempt: doubling up to a limit, and anywhere below it, so that those who failed
// together do not come back together.

export type Backoff = { baseMs: number; limitMs: number };

export const fullJitter = (attempt: number, { baseMs, limitMs }: Backoff): number =>
  Math.random() * Math.min(limitMs, baseMs * 2 ** Math.min(attempt, 20));

export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const timer = setTimeout(done, ms);
    function done() {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    }
    signal?.addEventListener("abort", done);
  });
}

/** Resolves with the work, or once the time is over; leaves no timer behind. */
export async function atMost(ms: number, work: Promise<unknown>): Promise<boolean> {
  const over = new AbortController();
  const isDone = await Promise.race([work.then(() => true), pause(ms, over.signal).then(() => false)]);
  over.abort();
  return isDone;
}

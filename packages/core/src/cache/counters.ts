// What the cache counts of one entity. Numbers that only grow; whoever shows them takes differences.

export type Counters = {
  /** Answered from this process's memory, and from Redis. */
  l1Hits: number;
  l2Hits: number;
  /** Hits of either kind that said "there is nothing". */
  negativeHits: number;
  misses: number;
  /** Answers that were no longer fresh, because the source was away or slow. */
  stale: number;
  /** Times the source was asked; one of them may bring many values. */
  loads: number;
  loadedValues: number;
  loadErrors: number;
  loadMs: number;
  slowestLoadMs: number;
  /** Renewed before they ended. */
  earlyRefreshes: number;
  /** Times another process was already loading, and this one waited. */
  waits: number;
  /** Loads without a lease: Redis away, or the one who had it too slow. */
  loadsAlone: number;
  /** Fills that came after an invalidation and were not taken. */
  refusedFills: number;
  invalidations: number;
};

export const newCounters = (): Counters => ({
  l1Hits: 0,
  l2Hits: 0,
  negativeHits: 0,
  misses: 0,
  stale: 0,
  loads: 0,
  loadedValues: 0,
  loadErrors: 0,
  loadMs: 0,
  slowestLoadMs: 0,
  earlyRefreshes: 0,
  waits: 0,
  loadsAlone: 0,
  refusedFills: 0,
  invalidations: 0,
});

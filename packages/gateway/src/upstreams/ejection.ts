// Sends nothing to an instance that fails, for a while that grows each time it has to be done again.

export type Ejection = {
  readonly until: number;
  isOut(nowMs: number): boolean;
  ok(nowMs: number): void;
  /** True: it is worth ejecting; the caller decides whether enough others are left. */
  fail(nowMs: number): boolean;
  eject(nowMs: number): void;
};

const inARow = 5;
const minCalls = 20;
const ratio = 0.5;
const windowMs = 10_000;
const firstMs = 2_000;
const longestMs = 120_000;

export function createEjection(): Ejection {
  let until = 0;
  let nextMs = firstMs;
  let failedInARow = 0;
  // Two half windows, so that counts grow old without a timer.
  let from = 0;
  let [calls, failures, callsBefore, failuresBefore] = [0, 0, 0, 0];

  function count(nowMs: number, failed: boolean): void {
    if (nowMs - from >= windowMs / 2) {
      const isRecent = nowMs - from < windowMs;
      [callsBefore, failuresBefore] = isRecent ? [calls, failures] : [0, 0];
      [calls, failures] = [0, 0];
      from = nowMs;
    }
    calls += 1;
    if (failed) failures += 1;
  }

  return {
    get until() {
      return until;
    },
    isOut: (nowMs) => nowMs < until,
    ok(nowMs) {
      failedInARow = 0;
      count(nowMs, false);
      // Well for as long as it was out: the next time is a first time again.
      if (nextMs > firstMs && nowMs - until > nextMs) nextMs = firstMs;
    },
    fail(nowMs) {
      failedInARow += 1;
      count(nowMs, true);
      const all = calls + callsBefore;
      // Back from an ejection, the first failure is enough.
      const isOnProbation = nextMs > firstMs && nowMs - until < nextMs;
      return (
        isOnProbation ||
        failedInARow >= inARow ||
        (all >= minCalls && failures + failuresBefore >= all * ratio)
      );
    },
    eject(nowMs) {
      if (nowMs < until) return;
      // Spread, so that gateways do not all try it in the same moment.
      until = nowMs + nextMs * (0.8 + Math.random() * 0.4);
      nextMs = Math.min(longestMs, nextMs * 2);
      failedInARow = 0;
      [calls, failures, callsBefore, failuresBefore] = [0, 0, 0, 0];
    },
  };
}

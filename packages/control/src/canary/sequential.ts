// A test of "the canary is worse" that may be looked at after every slot and still errs as seldom as it says.
//
// Given how many of both sides' requests went wrong in one slot, how many of those were the canary's is a hypergeometric draw for
// as long as both sides are alike, whatever the level of that moment is. Each slot so gives a likelihood ratio for "the odds on the
// canary's side are K times as high", and the product over slots, averaged over several K, is a martingale: with both sides alike it
// ever reaches 1/alpha with a chance of at most alpha, however often one looks.

export type Counted = { n: number; x: number };

/** Odds ratios against which the likelihood is weighed: small ones are seen by patience, large ones at once. */
export const errorOdds = [2, 4, 10, 40, 400] as const;
export const slowOdds = [1.7, 2.5, 4, 10, 40] as const;

/** What one slot says for each of the odds, as logarithms; `tolerated` is the ratio that counts as alike. */
export function slotEvidence(
  givenCanary: Counted,
  givenStable: Counted,
  odds: readonly number[],
  tolerated: number,
): number[] {
  const [canary, stable] = thin(givenCanary, givenStable);
  const wrong = canary.x + stable.x;
  const least = Math.max(0, wrong - stable.n);
  const most = Math.min(wrong, canary.n);
  // Nothing went wrong, everything did, or one side had nothing to do: no split could have been another.
  if (least === most) return odds.map(() => 0);
  const weights = logWeights(canary.n, stable.n, wrong, least, most);
  const base = Math.log(tolerated);
  const atBase = logSum(weights, least, base);
  return odds.map((ratio) => {
    const log = Math.max(Math.log(ratio), base);
    return canary.x * (log - base) - (logSum(weights, least, log) - atBase);
  });
}

/** The evidence of several odds together, as a logarithm: how many times likelier "worse" has become than "alike". */
export function mixed(logs: readonly number[]): number {
  const top = Math.max(...logs);
  let sum = 0;
  for (const log of logs) sum += Math.exp(log - top);
  return top + Math.log(sum / logs.length);
}

/** How likely the canary would have so many, or more, of what went wrong, if both sides were alike. */
export function tailOf(givenCanary: Counted, givenStable: Counted): number {
  const [canary, stable] = thin(givenCanary, givenStable);
  const wrong = canary.x + stable.x;
  const least = Math.max(0, wrong - stable.n);
  const most = Math.min(wrong, canary.n);
  if (canary.x <= least) return 1;
  const weights = logWeights(canary.n, stable.n, wrong, least, most);
  const all = logSum(weights, least, 0);
  const from = canary.x - least;
  return Math.min(1, Math.exp(logSum(weights.subarray(from), canary.x, 0) - all));
}

/** What one look may cost: of more than so many that went wrong, a part tells as much as anyone needs, and less than all. */
const mostWrong = 5_000;

function thin(canary: Counted, stable: Counted): [Counted, Counted] {
  const factor = Math.ceil((canary.x + stable.x) / mostWrong);
  if (factor <= 1) return [canary, stable];
  const part = ({ n, x }: Counted): Counted => ({ n: Math.floor(n / factor), x: Math.floor(x / factor) });
  return [part(canary), part(stable)];
}

/** Logarithms of the ways in which so many of the wrong ones are the canary's, up to a factor common to all. */
function logWeights(own: number, other: number, wrong: number, least: number, most: number): Float64Array {
  const weights = new Float64Array(most - least + 1);
  for (let y = least; y < most; y++)
    weights[y - least + 1] =
      weights[y - least]! + Math.log(((wrong - y) * (own - y)) / ((y + 1) * (other - wrong + y + 1)));
  return weights;
}

/** log of the sum of weight * ratio^y. */
function logSum(weights: Float64Array, least: number, logRatio: number): number {
  let top = Number.NEGATIVE_INFINITY;
  for (let at = 0; at < weights.length; at++) top = Math.max(top, weights[at]! + (least + at) * logRatio);
  let sum = 0;
  for (let at = 0; at < weights.length; at++) sum += Math.exp(weights[at]! + (least + at) * logRatio - top);
  return top + Math.log(sum);
}

/** Between which shares the true one probably is (95 %, Wilson); for readers, decisions do not go by it. */
export function intervalOf({ n, x }: Counted): { low: number; high: number } {
  if (n === 0) return { low: 0, high: 1 };
  const z = 1.959964;
  const share = x / n;
  const centre = share + (z * z) / (2 * n);
  const spread = z * Math.sqrt((share * (1 - share)) / n + (z * z) / (4 * n * n));
  const scale = 1 + (z * z) / n;
  return { low: Math.max(0, (centre - spread) / scale), high: Math.min(1, (centre + spread) / scale) };
}

type Plan = {
  /** Shares of both sides: what is usual, and what should be found out. */
  baseline: number;
  worse: number;
  /** The canary's part of all requests, 0 to 1. */
  part: number;
  odds: readonly number[];
  tolerated: number;
  alpha: number;
};

// Evidence comes unevenly: nine of ten regressions are seen by so many times the mean.
const unevenness = 1.6;

/** Canary requests after which nine of ten regressions of this size have been seen; Infinity: never. */
export function requestsToSee({ baseline, worse, part, odds, tolerated, alpha }: Plan): number {
  const stableWrong = (baseline * (1 - part)) / part;
  const bar = Math.log(odds.length / alpha);
  const growth = Math.max(
    ...odds.map(
      (ratio) =>
        worse * Math.log(ratio / tolerated) -
        (worse + stableWrong) * Math.log((part * ratio + 1 - part) / (part * tolerated + 1 - part)),
    ),
  );
  return growth > 0 ? Math.ceil((bar / growth) * unevenness) : Number.POSITIVE_INFINITY;
}

/** The smallest share that so many canary requests would reveal; 1 where even that would not be. */
export function smallestSeen(requests: number, plan: Omit<Plan, "worse">): number {
  let [low, high] = [plan.baseline, 1];
  if (requestsToSee({ ...plan, worse: high }) > requests) return 1;
  for (let round = 0; round < 40; round++) {
    const middle = (low + high) / 2;
    if (requestsToSee({ ...plan, worse: middle }) > requests) low = middle;
    else high = middle;
  }
  return high;
}

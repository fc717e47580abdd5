// All that a judge knows of a canary: a fold of its slots, so that whoever takes over knows exactly the same.

import {
  countUpTo,
  mergePacked,
  newSketch,
  packSketch,
  quantiles,
  type Sketch,
} from "@signalbox/core/signals/sketch";
import type { CanaryTriggers } from "../settings.ts";
import { type Counted, errorOdds, mixed, slotEvidence, slowOdds } from "./sequential.ts";

export type Side = "stable" | "canary";
export type SideCounts = {
  /** Answered; refusals are neither good nor bad. */
  n: number;
  errors: number;
  /** Slower than what was the stable side's p95 and p99 before this slot. */
  slow95: number;
  slow99: number;
};

/** One slot as it is kept. */
export type KeptSlot = {
  start: number;
  stable: SideCounts;
  canary: SideCounts;
  /** Above which a request was slow; null: too little was known of the stable side. */
  p95: number | null;
  p99: number | null;
  /** The stable side's latencies, for the thresholds of later slots. */
  sketch: number[];
  /** By name: how often, on each side. */
  counters: Record<string, Record<Side, number>>;
  /** By signal: means over the instances of each track; null: nobody said. */
  saturation: Record<string, Record<Side, number | null>>;
};

export type Measured = {
  /** Logarithms of the evidence, one for each of the odds. */
  logs: number[];
  /** The most that it ever was: a regression that was seen stays seen. */
  peak: number;
  /** Since the canary began, and since this step did. */
  all: Record<Side, Counted>;
  step: Record<Side, Counted>;
};

export type Tally = {
  slots: number;
  first: number | null;
  last: number | null;
  /** When the step began that `step` counts since. */
  since: number;
  measured: Record<string, Measured>;
  /** Of each saturation guard: for how many slots in a row it was broken, and how many were compared. */
  guards: Record<string, { broken: number; compared: number; last: Record<Side, number> | null }>;
};

export const slotMs = 5_000;
/** Thresholds come from as much of the stable side's past. */
export const memorySlots = 60;
const leastForThreshold = 100;

export const emptyTally = (since: number): Tally => ({
  slots: 0,
  first: null,
  last: null,
  since,
  measured: {},
  guards: {},
});

/** How a canary's two sides did in a slot, in the form in which it is kept. */
export function keepSlot(
  start: number,
  sides: Record<Side, { requests: number; errors: number; refused: number; sketch: Sketch }>,
  before: readonly KeptSlot[],
  { slowFloorMs }: Pick<CanaryTriggers, "slowFloorMs">,
  rest: Pick<KeptSlot, "counters" | "saturation">,
): KeptSlot {
  const past = newSketch();
  for (const { sketch } of before.slice(-memorySlots)) mergePacked(past, sketch);
  let known = 0;
  for (const count of past) known += count;
  const [p95 = null, p99 = null] = known < leastForThreshold ? [] : quantiles(past, [0.95, 0.99]);
  const toSide = ({ requests, errors, refused, sketch }: (typeof sides)[Side]): SideCounts => {
    const n = requests - refused;
    const slower = (quantile: number | null) =>
      quantile === null ? 0 : n - countUpTo(sketch, Math.max(quantile * 1.0001, slowFloorMs));
    return { n, errors, slow95: slower(p95), slow99: slower(p99) };
  };
  return {
    start,
    stable: toSide(sides.stable),
    canary: toSide(sides.canary),
    p95,
    p99,
    sketch: packSketch(sides.stable.sketch),
    ...rest,
  };
}

/** Whether a slot can be what happened; what can not be is no evidence of anything. */
export function isPossible({ stable, canary, saturation, counters }: KeptSlot): boolean {
  const counts = [stable, canary].flatMap(({ n, ...wrong }) =>
    Object.values(wrong).map((x) => isCount(n) && isCount(x) && x <= n),
  );
  const numbers = [...Object.values(saturation), ...Object.values(counters)].flatMap(({ stable, canary }) => [
    stable,
    canary,
  ]);
  return counts.every(Boolean) && numbers.every((value) => value === null || Number.isFinite(value));
}

/** The tally with one more slot in it. A slot that can not be right throws: it is no evidence of anything. */
export function addSlot(
  tally: Tally,
  slot: KeptSlot,
  triggers: CanaryTriggers,
  { since, warmUntil }: { since: number; warmUntil: number },
): Tally {
  if (tally.last !== null && slot.start <= tally.last) return tally;
  const fresh = tally.since !== since;
  const measured = { ...tally.measured };
  const add = (name: string, odds: readonly number[], tolerated: number, sides: Record<Side, Counted>) => {
    for (const { n, x } of [sides.stable, sides.canary])
      if (!isCount(n) || !isCount(x) || x > n)
        throw new Error(`${name} counts ${x} of ${n} in the slot of ${new Date(slot.start).toISOString()}`);
    const old = measured[name];
    const more = slotEvidence(sides.canary, sides.stable, odds, tolerated);
    const logs = more.map((log, at) => log + (old?.logs[at] ?? 0));
    const counted = slot.start >= since ? sides : undefined;
    measured[name] = {
      logs,
      peak: Math.max(old?.peak ?? 0, mixed(logs)),
      all: { stable: plus(old?.all.stable, sides.stable), canary: plus(old?.all.canary, sides.canary) },
      step: {
        stable: plus(fresh ? undefined : old?.step.stable, counted?.stable),
        canary: plus(fresh ? undefined : old?.step.canary, counted?.canary),
      },
    };
  };
  const { stable, canary } = slot;
  const both = (of: (side: SideCounts) => number): Record<Side, Counted> => ({
    stable: { n: stable.n, x: of(stable) },
    canary: { n: canary.n, x: of(canary) },
  });
  add(
    "errors",
    errorOdds,
    triggers.errorTolerance,
    both(({ errors }) => errors),
  );
  const isWarm = slot.start >= warmUntil;
  const idle = { stable: { n: 0, x: 0 }, canary: { n: 0, x: 0 } };
  const slow95 = both((side) => side.slow95);
  const slow99 = both((side) => side.slow99);
  add("slow95", slowOdds, triggers.slowTolerance, isWarm && slot.p95 !== null ? slow95 : idle);
  add("slow99", slowOdds, triggers.slowTolerance, isWarm && slot.p99 !== null ? slow99 : idle);
  const guards = { ...tally.guards };
  for (const guard of triggers.guards) {
    if (guard.kind === "counter") {
      const counted = slot.counters[guard.name] ?? { stable: 0, canary: 0 };
      add(`counter ${guard.name}`, errorOdds, triggers.errorTolerance, {
        // What happened twice in one request is one request with which something was wrong.
        stable: { n: stable.n, x: Math.min(stable.n, counted.stable) },
        canary: { n: canary.n, x: Math.min(canary.n, counted.canary) },
      });
      continue;
    }
    const said = slot.saturation[guard.signal];
    const old = guards[guard.signal] ?? { broken: 0, compared: 0, last: null };
    if (said === undefined || said.stable === null || said.canary === null || !isWarm) continue;
    if (!Number.isFinite(said.stable) || !Number.isFinite(said.canary))
      throw new Error(`${guard.signal} is no number in the slot of ${new Date(slot.start).toISOString()}`);
    const isBroken = said.canary > said.stable * guard.ratio && said.canary > said.stable + guard.floor;
    guards[guard.signal] = {
      broken: isBroken ? old.broken + 1 : 0,
      compared: old.compared + 1,
      last: { stable: said.stable, canary: said.canary },
    };
  }
  return {
    slots: tally.slots + 1,
    first: tally.first ?? slot.start,
    last: slot.start,
    since,
    measured,
    guards,
  };
}

/** The step's counts begin anew with the step, also before its first slot. */
export function sinceStep(tally: Tally, since: number): Tally {
  if (tally.since === since) return tally;
  const none = () => ({ stable: { n: 0, x: 0 }, canary: { n: 0, x: 0 } });
  const measured = Object.fromEntries(
    Object.entries(tally.measured).map(([name, one]) => [name, { ...one, step: none() }]),
  );
  return { ...tally, since, measured };
}

const isCount = (value: number): boolean => Number.isSafeInteger(value) && value >= 0;
const plus = (a: Counted = { n: 0, x: 0 }, b: Counted = { n: 0, x: 0 }): Counted => ({
  n: a.n + b.n,
  x: a.x + b.x,
});

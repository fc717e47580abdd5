// What the evidence says of a canary: healthy, regressed, or not enough to say. Pure: the same evidence gives the same verdict.

import type { CanaryTriggers } from "../settings.ts";
import { type Counted, intervalOf, mixed, tailOf } from "./sequential.ts";
import {
  addSlot,
  type KeptSlot,
  type Side,
  type SideCounts,
  sinceStep,
  slotMs,
  type Tally,
} from "./tally.ts";

/** Everything that a verdict is made of; kept with each decision, so that it can be judged again. */
export type Evidence = {
  at: number;
  canary: { startedAt: number; since: number; weight: number; triggers: CanaryTriggers };
  /** All that was known before `slots`. */
  carried: Tally;
  slots: KeptSlot[];
  /** Of the slot that is not over yet: enough for a catastrophe, too little for anything else. */
  running: Record<Side, Pick<SideCounts, "n" | "errors">> | null;
  /** Why nothing can be seen, where that is known. */
  blind: string | null;
};

export type SignalVerdict = {
  name: string;
  verdict: "healthy" | "regressed" | "not_enough";
  why: string;
  /** Since the canary began. */
  stable: Counted & { share: number | null; low: number; high: number };
  canary: Counted & { share: number | null; low: number; high: number };
  /** How many times likelier "worse" is than "alike": now, at most so far, and from where on it counts. */
  evidence: { now: number; peak: number; bar: number };
  /** Of latency: what counts as slow at this moment, in milliseconds. */
  thresholdMs: number | null;
  /** Requests of this step, of those that it needs. */
  step: { canary: number; stable: number; needed: number };
};

export type Verdict = {
  verdict: "healthy" | "regressed" | "not_enough";
  why: string;
  catastrophe: boolean;
  signals: SignalVerdict[];
  /** Since when nothing was heard, where that is so. */
  missingSince: number | null;
};

/** Below the bar, but so near that nobody should get more of it. */
const leaning = 10;
/** As long as it takes until a slot is over and everyone has written it. */
const settleMs = 2_000;
/** Two slots that did not come. */
const staleMs = 2 * slotMs + settleMs + slotMs;
const catastrophe = { requests: 20, share: 0.25, alone: 0.5, chance: 1e-6, slots: 3 } as const;
const brokenSlots = 6;

/** A judge that fails has not said that anything is healthy. */
export function judge(evidence: Evidence): Verdict {
  try {
    return weigh(evidence);
  } catch (error) {
    const why = `the judge could not read the evidence: ${error instanceof Error ? error.message : error}`;
    return { verdict: "not_enough", why, catastrophe: false, signals: [], missingSince: sightOf(evidence) };
  }
}

export function foldEvidence({
  canary,
  carried,
  slots,
}: Pick<Evidence, "canary" | "carried" | "slots">): Tally {
  const { since, startedAt, triggers } = canary;
  const warmUntil = startedAt + triggers.warmupSeconds * 1_000;
  const tally = slots.reduce((sum, slot) => addSlot(sum, slot, triggers, { since, warmUntil }), carried);
  return sinceStep(tally, since);
}

/** So many slots stand one by one in the evidence; what is older is carried as its sum. */
const maxSlots = 24;
const keptSlots = 6;

/** The same evidence, shorter: what came before this step, or long ago, as a sum. */
export function shorten({
  canary,
  carried,
  slots,
}: Pick<Evidence, "canary" | "carried" | "slots">): Pick<Evidence, "carried" | "slots"> {
  const beforeStep = slots.filter(({ start }) => start < canary.since).length;
  const cut = Math.max(beforeStep, slots.length > maxSlots ? slots.length - keptSlots : 0);
  if (cut === 0) return { carried, slots };
  return { carried: foldEvidence({ canary, carried, slots: slots.slice(0, cut) }), slots: slots.slice(cut) };
}

/** When something was last heard. */
const sightOf = ({ canary, carried, slots }: Evidence): number =>
  Math.max(canary.startedAt, (slots.at(-1)?.start ?? carried.last ?? 0) + slotMs);

function weigh(evidence: Evidence): Verdict {
  const { at, canary, slots } = evidence;
  const tally = foldEvidence(evidence);
  const signals = Object.entries(tally.measured).map(([name, one]) =>
    weighSignal(name, one, canary.triggers, tally, slots.at(-1)),
  );
  const seen = sightOf(evidence);
  const missingSince = evidence.blind !== null || at - seen > staleMs ? seen : null;
  const answer = (verdict: Verdict["verdict"], why: string, isCatastrophe = false): Verdict => ({
    verdict,
    why,
    catastrophe: isCatastrophe,
    signals,
    missingSince,
  });

  const fall = readCatastrophe(evidence);
  if (fall !== undefined) return answer("regressed", fall, true);
  const regressed = signals.filter(({ verdict }) => verdict === "regressed");
  const broken = Object.entries(tally.guards).filter(([, guard]) => guard.broken >= brokenSlots);
  if (regressed.length > 0 || broken.length > 0)
    return answer(
      "regressed",
      [
        ...regressed.map(({ why }) => why),
        ...broken.map(
          ([name, { last, broken: times }]) =>
            `${name} is ${round(last!.canary)} on the canary's instances and ${round(last!.stable)} on the stable ones, for ${(times * slotMs) / 1_000} s`,
        ),
      ].join("; "),
    );
  if (evidence.blind !== null) return answer("not_enough", evidence.blind);
  if (missingSince !== null)
    return answer("not_enough", `nothing was heard for ${Math.round((at - seen) / 1_000)} s`);
  if (signals.length === 0) return answer("not_enough", "no slot is complete yet");
  const lacking = signals.filter(({ verdict }) => verdict === "not_enough");
  if (lacking.length > 0) return answer("not_enough", lacking.map(({ why }) => why).join("; "));
  return answer("healthy", "no signal is worse than on the stable side, with enough requests to tell");
}

const names: Record<string, string> = {
  errors: "of requests fail",
  slow95: "of requests are slower than the stable side's p95",
  slow99: "of requests are slower than the stable side's p99",
};

function weighSignal(
  name: string,
  { logs, peak, all, step }: Tally["measured"][string],
  { falseAlarm, minRequests }: CanaryTriggers,
  { measured }: Tally,
  newest: KeptSlot | undefined,
): SignalVerdict {
  // Errors may use half of what may be wrong; the others share the rest.
  const bar = 1 / (name === "errors" ? falseAlarm / 2 : falseAlarm / 2 / (Object.keys(measured).length - 1));
  const now = Math.exp(mixed(logs));
  const present = (counted: Counted) => ({
    ...counted,
    share: counted.n === 0 ? null : counted.x / counted.n,
    ...intervalOf(counted),
  });
  const canary = present(all.canary);
  const stable = present(all.stable);
  const short = Math.min(step.canary.n, step.stable.n) < minRequests;
  const told = `${percent(canary)} ${names[name] ?? `of requests have ${name}`} on the canary's side, ${percent(stable)} on the stable one`;
  const [verdict, why]: [SignalVerdict["verdict"], string] =
    Math.exp(peak) >= bar
      ? ["regressed", told]
      : short
        ? [
            "not_enough",
            `${name}: ${step.canary.n} canary and ${step.stable.n} stable requests of the ${minRequests} that this step needs of each`,
          ]
        : now >= leaning
          ? ["not_enough", `${told}: not sure yet, and not good enough for more`]
          : ["healthy", told];
  return {
    name,
    verdict,
    why,
    stable,
    canary,
    evidence: { now: cap(now), peak: cap(Math.exp(peak)), bar: round(bar) },
    thresholdMs: name === "slow95" ? (newest?.p95 ?? null) : name === "slow99" ? (newest?.p99 ?? null) : null,
    step: { canary: step.canary.n, stable: step.stable.n, needed: minRequests },
  };
}

/** What needs no slot to be over: the canary fails, and the stable side does not. */
function readCatastrophe({ slots, running, canary: { startedAt } }: Evidence): string | undefined {
  const recent = slots.filter(({ start }) => start >= startedAt - slotMs).slice(-catastrophe.slots);
  const count = (side: Side): Counted => {
    const parts = [...recent.map((slot) => slot[side]), ...(running ? [running[side]] : [])];
    return {
      n: parts.reduce((sum, { n }) => sum + n, 0),
      x: parts.reduce((sum, { errors }) => sum + errors, 0),
    };
  };
  const [canary, stable] = [count("canary"), count("stable")];
  if (![canary.n, canary.x, stable.n, stable.x].every(Number.isSafeInteger) || canary.x > canary.n)
    return undefined;
  if (canary.n < catastrophe.requests) return undefined;
  const share = canary.x / canary.n;
  const isAlone = stable.n < catastrophe.requests;
  const falls = isAlone
    ? share >= catastrophe.alone
    : share >= catastrophe.share &&
      share >= (2 * stable.x) / stable.n &&
      tailOf(canary, stable) <= catastrophe.chance;
  return falls
    ? `${canary.x} of the last ${canary.n} canary requests failed, ${stable.x} of ${stable.n} stable ones`
    : undefined;
}

const percent = ({ n, x }: Counted): string =>
  n === 0 ? "nothing" : `${Number(((100 * x) / n).toPrecision(3))} %`;
const round = (value: number): number => Number(value.toPrecision(4));
/** JSON has no infinity. */
const cap = (value: number): number => round(Math.min(value, 1e12));

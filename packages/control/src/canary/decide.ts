// What follows from a verdict. Pure. Only "healthy" lets more callers in; everything else holds, turns back, or stops.

import type { CanarySetting } from "../settings.ts";
import type { Verdict } from "./judge.ts";

export type Act = "hold" | "advance" | "complete" | "promote" | "abort" | "freeze" | "pause";
export type Decision = { act: Act; why: string };

/** `held`: what forbids a step at this moment, such as a freeze window or an alert. */
export function decide(
  canary: Pick<CanarySetting, "state" | "step" | "steps" | "since" | "extraSeconds" | "triggers">,
  verdict: Verdict,
  { nowMs, held }: { nowMs: number; held: readonly string[] },
): Decision {
  const { state, step, steps, since, extraSeconds, triggers } = canary;
  const isExposed = state === "ramping" || state === "paused" || state === "complete";
  if (!isExposed) return { act: "hold", why: `it is ${state}` };
  if (verdict.verdict === "regressed")
    return { act: triggers.onRegression === "freeze" ? "freeze" : "abort", why: verdict.why };
  const { missingSince } = verdict;
  if (missingSince !== null && nowMs - missingSince >= triggers.missingSeconds * 1_000 && state !== "paused")
    return {
      act: triggers.onMissing === "pause" ? "pause" : "abort",
      why: `${verdict.why}; without sight of it for ${triggers.missingSeconds} s`,
    };
  if (state !== "ramping") return { act: "hold", why: `it is ${state}` };
  if (verdict.verdict !== "healthy") return { act: "hold", why: verdict.why };
  const current = steps[step];
  if (current === undefined || since === null) return { act: "hold", why: "it has no such step" };
  const leftMs = Date.parse(since) + (current.bakeSeconds + extraSeconds) * 1_000 - nowMs;
  // An instant that is none holds as well.
  if (!(leftMs <= 0))
    return { act: "hold", why: `this step bakes for another ${Math.ceil(leftMs / 1_000)} s` };
  if (held.length > 0) return { act: "hold", why: held.join("; ") };
  const next = steps[step + 1];
  if (next !== undefined && next.weight < 100) return { act: "advance", why: verdict.why };
  const isLast = next !== undefined || mayFollow(current.weight, 100);
  return isLast
    ? { act: "promote", why: verdict.why }
    : { act: "complete", why: `${verdict.why}; the ladder ends here, and an operator promotes` };
}

export const maxFactor = 5;
export const maxPoints = 25;

/** Whether a step is small enough: at most five times the last one, and 25 points. */
export const mayFollow = (last: number, next: number): boolean =>
  next - last <= maxPoints && (last === 0 || next <= last * maxFactor);

// How a canary goes from state to state: pure, and the same act twice is one act. An act that a state does not allow says why.

import { AppError } from "@signalbox/core/errors";
import type { CanarySetting, CanaryStep, CanaryTarget, CanaryTriggers } from "../settings.ts";
import { nameOf, saltOf } from "./rules.ts";

export type CanaryAct =
  | { act: "advance" | "complete" | "promote" | "pause" | "resume" | "freeze" | "abort" | "close" }
  | { act: "extend"; seconds: number };

export type CanarySpec = {
  id: string;
  target: CanaryTarget;
  steps: CanaryStep[];
  triggers: CanaryTriggers;
  purpose: string;
  salt?: string | undefined;
};

/** What is kept of a canary; who did it, and why, is its event's. */
export type CanaryValue = Omit<
  CanarySetting,
  | "act"
  | "reason"
  | "incident"
  | "expiresAt"
  | "revision"
  | "order"
  | "changedAt"
  | "changedBy"
  | "afterwards"
>;

export const restorableMs = 24 * 3_600_000;

export function beginCanary(
  { id, target, steps, triggers, purpose, salt }: CanarySpec,
  nowMs: number,
): CanaryValue {
  const at = new Date(nowMs).toISOString();
  return {
    ...{ id, target, steps, triggers, purpose },
    salt: salt ?? saltOf(target),
    state: "ramping",
    step: 0,
    weight: steps[0]!.weight,
    startedAt: at,
    since: at,
    extraSeconds: 0,
    endedAt: null,
  };
}

/** Undefined: it is so already. Null: it is closed, and no call asks for it any more. */
export function changeCanary(
  canary: CanarySetting,
  given: CanaryAct,
  nowMs: number,
): CanaryValue | null | undefined {
  const { state, steps, step } = canary;
  const at = new Date(nowMs).toISOString();
  const to = (change: Partial<CanaryValue>): CanaryValue => ({ ...keptOf(canary), ...change });
  const hasEnded = state === "promoted" || state === "aborted";
  switch (given.act) {
    case "advance": {
      const next = steps[step + 1];
      if (state !== "ramping" || next === undefined) throw refuse(canary, "takes no further step");
      return to({ step: step + 1, weight: next.weight, since: at, extraSeconds: 0 });
    }
    case "complete":
      if (state === "complete") return undefined;
      if (state !== "ramping") throw refuse(canary, "can not be complete");
      return to({ state: "complete" });
    case "promote":
      if (state === "promoted") return undefined;
      if (state === "aborted") throw refuse(canary, "can not be promoted; start another one");
      return to({
        state: "promoted",
        step: Math.max(0, steps.length - 1),
        weight: 100,
        since: at,
        endedAt: at,
      });
    case "pause":
      if (state === "paused") return undefined;
      if (hasEnded) throw refuse(canary, "can not be paused");
      return to({ state: "paused" });
    case "resume":
      if (state === "ramping") return undefined;
      if (hasEnded) throw refuse(canary, "can not go on; start another one");
      // Its time in this step begins anew: nobody may have looked meanwhile.
      return to({ state: "ramping", since: at });
    case "freeze":
      if (state === "frozen") return undefined;
      if (hasEnded) throw refuse(canary, "can not be frozen");
      return to({ state: "frozen" });
    case "abort":
      if (state === "aborted") return undefined;
      // Whatever was promoted longer ago is what is usual by now.
      if (state === "promoted" && nowMs - Date.parse(canary.endedAt ?? at) > restorableMs)
        throw refuse(canary, "can be taken back for 24 hours only; start one that leads back");
      return to({ state: "aborted", weight: 0, endedAt: at });
    case "extend":
      if (hasEnded) throw refuse(canary, "bakes no longer");
      return to({ extraSeconds: canary.extraSeconds + given.seconds });
    case "close":
      if (!hasEnded) throw refuse(canary, "is under way; abort or promote it first");
      return null;
  }
}

function keptOf(canary: CanarySetting): CanaryValue {
  const { act, reason, incident, expiresAt, revision, order, changedAt, changedBy, afterwards, ...value } =
    canary;
  return value;
}

const refuse = ({ id, state, target }: CanarySetting, what: string): AppError =>
  new AppError("conflict", `the canary ${id} (${nameOf(target)}) is ${state} and ${what}`);

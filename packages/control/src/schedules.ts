// Changes that are made at a time on a clock: planned by a person, made by whichever process sees it first, and once.

import { AppError } from "@signalbox/core/errors";
import type { Logger } from "@signalbox/core/log";
import { actId } from "./approvals.ts";
import { type ChangeDeps, change, type Why } from "./changes.ts";
import { needsSecondPerson } from "./protection.ts";
import type { ScheduleSetting, SwitchChange } from "./settings.ts";
import { positionOf, refuseArchived, setSwitch } from "./switch-acts.ts";
import { isTimeZone, nextDue, readLocal } from "./wall-clock.ts";

/** Later than this a run counts as missed. */
const missedMs = 60_000;

export type Plan = Pick<ScheduleSetting, "at" | "timeZone" | "repeat" | "forMinutes" | "missed"> & {
  key: string;
  change: SwitchChange;
};

const wrong = (field: string, message: string) =>
  new AppError("invalid", `${field}: ${message}`, { errors: [{ field, message }] });

export async function planSwitch(deps: ChangeDeps, id: string, plan: Plan, why: Why) {
  const { key, change: to } = plan;
  if (readLocal(plan.at) === undefined)
    throw wrong("at", "must be a time there is, such as 2026-12-24T18:00");
  if (!isTimeZone(plan.timeZone)) throw wrong("timeZone", "must be a time zone such as Europe/Berlin");
  const done = await change(deps, {
    ...why,
    kind: "schedule.set",
    key: id,
    decide(document, nowMs) {
      refuseArchived(document, key);
      const nextAt = nextDue(plan, nowMs);
      if (nextAt === undefined) throw wrong("at", "must be in the future");
      const current = document.switches[key];
      if (to.state === "on" && needsSecondPerson(document, key, positionOf(to, null), nowMs))
        throw new AppError(
          "forbidden",
          `${key} is protected, and a schedule can not be the second person; plan its off with forMinutes instead`,
        );
      const after = { ...plan, nextAt: new Date(nextAt).toISOString(), base: current?.revision ?? 0 };
      return { before: document.schedules?.[id] ?? null, after };
    },
  });
  return done!;
}

export async function cancelPlan(deps: ChangeDeps, id: string, why: Why) {
  const done = await change(deps, {
    ...why,
    kind: "schedule.cancelled",
    key: id,
    decide(document) {
      const plan = document.schedules?.[id];
      if (!plan) throw new AppError("not_found", `there is no schedule ${id}`);
      return { before: plan, after: null };
    },
  });
  return done!;
}

const platform = { kind: "platform", id: "schedule", name: "schedule" };

/** Makes what is due; any number of processes may try, the ids of the acts see to it that each run happens once. */
export async function runDue(deps: ChangeDeps & { log: Logger }, nowMs: number): Promise<void> {
  for (const [id, plan] of Object.entries(deps.live.current().schedules))
    if (Date.parse(plan.nextAt) <= nowMs) await run(deps, id, plan, nowMs);
}

async function run(
  deps: ChangeDeps & { log: Logger },
  id: string,
  plan: ScheduleSetting,
  nowMs: number,
): Promise<void> {
  const { key, nextAt } = plan;
  const dueMs = Date.parse(nextAt);
  const why = {
    actor: platform,
    reason: `planned by ${plan.changedBy?.name ?? "an operator"}: ${plan.reason}`.slice(0, 500),
    requestId: `schedule ${id}`,
  };
  const endsMs = plan.forMinutes === null ? null : dueMs + plan.forMinutes * 60_000;
  let act = "ran";
  let note = why.reason;
  const since = deps.live.current().switches[key];
  if ((nowMs - dueMs > missedMs && plan.missed === "skip") || (endsMs !== null && endsMs <= nowMs)) {
    act = "missed";
    note = `due at ${nextAt}, and nobody was there to do it`;
  } else if (since && since.revision > plan.base && since.changedBy?.kind === "operator") {
    act = "refused";
    note = `${since.changedBy.name} changed ${key} after this was planned`;
  } else {
    try {
      await setSwitch(
        deps,
        key,
        plan.change,
        { ...why, expiresAt: endsMs === null ? null : new Date(endsMs) },
        { id: actId(`${id} ${nextAt}`), kind: "switch.scheduled" },
      );
    } catch (error) {
      if (!(error instanceof AppError) || !["forbidden", "conflict", "invalid"].includes(error.code))
        throw error;
      act = "refused";
      note = error.message;
    }
  }
  const following = nextDue(plan, Math.max(nowMs, dueMs));
  await change(deps, {
    ...why,
    reason: note.slice(0, 500),
    kind: `schedule.${act}`,
    key: id,
    decide(document) {
      const now = document.schedules?.[id];
      // Another process was faster, or it was cancelled meanwhile.
      if (!now || now.nextAt !== nextAt) return undefined;
      if (following === undefined) return { before: now, after: null };
      const { revision: _, order: _o, act: _a, changedAt: _c, reason: _r, incident: _i, ...kept } = now;
      const base = document.switches[key]?.revision ?? 0;
      // A person's later word ends the plan's claim on the key until it is planned anew.
      return {
        before: now,
        after: {
          ...kept,
          nextAt: new Date(following).toISOString(),
          base: act === "refused" ? now.base : base,
        },
      };
    },
  });
  deps.log.info({ schedule: id, key, act }, "a planned change is dealt with");
}

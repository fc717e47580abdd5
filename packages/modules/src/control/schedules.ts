// Changes of switches that will be made at a time on a clock.

import { cancelPlan, planSwitch } from "@signalbox/control/schedules";
import { newId } from "@signalbox/core/ids";
import type { z } from "zod";
import type { AsOperator } from "../ctx.ts";
import { pageByKey } from "./list.ts";
import { confirmed, planeOf } from "./plane.ts";
import { checkPosition } from "./position.ts";
import type { Changed, OneSchedule, OperatorPage, Planned, PlanSwitch, ScheduleItem } from "./schema.ts";
import { requireKey } from "./switches.ts";
import { whyOf } from "./why.ts";

export function listSchedules(ctx: AsOperator, page: z.infer<typeof OperatorPage>) {
  const items = Object.entries(ctx.live.current().schedules).map(
    ([
      id,
      { key, change, at, timeZone, repeat, forMinutes, missed, nextAt, reason, changedBy },
    ]): ScheduleItem => ({
      ...{ id, key, change, at, timeZone, repeat, forMinutes, missed, nextAt, reason },
      plannedBy: changedBy,
    }),
  );
  return pageByKey(
    "schedules",
    items.sort((a, b) => (a.id < b.id ? -1 : 1)),
    page,
    ({ id }) => id,
  );
}

export async function makeSchedule(
  ctx: AsOperator,
  { reason, incident, ...plan }: z.infer<typeof PlanSwitch>,
): Promise<z.infer<typeof Planned>> {
  const plane = planeOf(ctx);
  requireKey(plane, plan.key);
  checkPosition(plan.key, plan.change);
  const id = newId();
  const done = await planSwitch(plane, id, plan, whyOf(ctx, { reason, incident }));
  return { id, nextAt: (done.event.after as { nextAt: string }).nextAt, version: done.revision };
}

export async function cancelSchedule(
  ctx: AsOperator,
  { id, reason, incident }: z.infer<typeof OneSchedule>,
): Promise<Changed> {
  const plane = planeOf(ctx);
  return confirmed(plane, await cancelPlan(plane, id, whyOf(ctx, { reason, incident })));
}

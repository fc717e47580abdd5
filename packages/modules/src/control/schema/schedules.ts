// Changes of switches at a time on a clock.

import { whyShape } from "@signalbox/control/settings";
import { z } from "zod";
import { ActorShape, anyKey, listOf } from "./shape-parts.ts";
import { offOnly, position } from "./switches.ts";

const plan = {
  key: anyKey,
  at: z.string().meta({ description: "as on a clock on the wall there", examples: ["2026-12-24T18:00"] }),
  timeZone: z
    .string()
    .max(64)
    .meta({ description: "by its name", examples: ["Europe/Berlin"] }),
  repeat: z.enum(["once", "daily", "weekly"]).default("once"),
  forMinutes: z.number().int().min(1).max(525_600).nullable().default(null).describe("how long a run holds"),
  missed: z.enum(["skip", "late"]).default("skip").describe("a run that comes over a minute late"),
};
export const PlanSwitch = z.object({ ...plan, change: offOnly(z.object(position)), ...whyShape });
export const ScheduleItem = z.object({
  id: z.string(),
  ...plan,
  change: z.object(position),
  nextAt: z.string(),
  reason: z.string(),
  plannedBy: ActorShape.nullable(),
});
export const ScheduleList = listOf(ScheduleItem);
export const Planned = z.object({ id: z.string(), nextAt: z.string(), version: z.number().int() });
export const OneSchedule = z.object({ id: anyKey, ...whyShape });

export type ScheduleItem = z.infer<typeof ScheduleItem>;

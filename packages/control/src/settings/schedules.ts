// Changes of switches at a time on a clock.

import { z } from "zod";
import { instant, kept, settingKey } from "./key-and-provenance.ts";
import { switchChange } from "./switches.ts";

export const scheduleSetting = kept({
  key: settingKey,
  change: switchChange,
  /** As on a clock on the wall there: `2026-12-24T18:00`. */
  at: z.string(),
  timeZone: z.string(),
  repeat: z.enum(["once", "daily", "weekly"]).default("once"),
  /** How long each run holds; null: until somebody changes it. */
  forMinutes: z.number().int().min(1).max(525_600).nullable().default(null),
  /** A run that comes more than a minute late: left out, or made up for. */
  missed: z.enum(["skip", "late"]).default("skip"),
  nextAt: instant,
  /** The key's revision when this was made: a person's later word is not overruled. */
  base: z.number().int().min(0),
});

export type ScheduleSetting = z.output<typeof scheduleSetting>;

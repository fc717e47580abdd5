// What the log folds into: one document, every field with a default, so that an empty one is a working platform.

import { z } from "zod";
import { cacheSetting } from "./settings/caches.ts";
import { canarySetting, freezeSetting } from "./settings/canaries.ts";
import { instant, settingKey } from "./settings/key-and-provenance.ts";
import { limitSetting, parsedDefaultLimits, weightSetting } from "./settings/limits.ts";
import { dependencySetting, shedSetting, zoneName, zoneSetting } from "./settings/load.ts";
import { numberSetting } from "./settings/numbers.ts";
import { scheduleSetting } from "./settings/schedules.ts";
import { proposalSetting, protectionSetting, reviewSetting } from "./settings/second-person.ts";
import { archivedSetting, ownSetting, switchSetting } from "./settings/switches.ts";

export * from "./settings/caches.ts";
export * from "./settings/canaries.ts";
export * from "./settings/key-and-provenance.ts";
export * from "./settings/limits.ts";
export * from "./settings/load.ts";
export * from "./settings/numbers.ts";
export * from "./settings/schedules.ts";
export * from "./settings/second-person.ts";
export * from "./settings/switches.ts";

export const settingsSchema = z.object({
  switches: z.record(settingKey, switchSetting).default({}),
  own: z.record(settingKey, ownSetting).default({}),
  archived: z.record(settingKey, archivedSetting).default({}),
  protections: z.record(settingKey, protectionSetting).default({}),
  proposals: z.record(z.string(), proposalSetting).default({}),
  reviews: z.record(z.string(), reviewSetting).default({}),
  schedules: z.record(z.string(), scheduleSetting).default({}),
  /** When each key was last off: a lever that nobody has pulled for long may not work. */
  lastOff: z.record(z.string(), instant).default({}),
  limits: z
    .record(settingKey, limitSetting)
    .default({})
    .transform((given) => ({ ...parsedDefaultLimits, ...given })),
  weights: z.record(settingKey, weightSetting).default({}),
  zones: z.record(zoneName, zoneSetting).default({}),
  shed: z.record(settingKey, shedSetting).default({}),
  dependencies: z.record(settingKey, dependencySetting).default({}),
  numbers: z.record(settingKey, numberSetting).default({}),
  /** By id. */
  canaries: z.record(z.string(), canarySetting).default({}),
  freezes: z.record(settingKey, freezeSetting).default({}),
  cache: z
    .object({
      /** Loads that one process has under way at the source at once. */
      maxLoads: z.number().int().min(1).max(1_000).default(8),
    })
    .prefault({}),
  /** By entity or a prefix of entities. */
  caches: z.record(settingKey, cacheSetting).default({}),
});

export type Settings = z.output<typeof settingsSchema>;
export type SettingsInput = z.input<typeof settingsSchema>;

export const defaultSettings: Settings = settingsSchema.parse({});

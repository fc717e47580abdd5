// What the log folds into: one document, every field with a default, so that an empty one is a working platform.

import { z } from "zod";
import { bare } from "./bare.ts";
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

const section = <Value extends z.ZodType>(key: z.ZodString, value: Value) =>
  z.record(key, value).default({}).transform(bare);

export const settingsSchema = z.object({
  switches: section(settingKey, switchSetting),
  own: section(settingKey, ownSetting),
  archived: section(settingKey, archivedSetting),
  protections: section(settingKey, protectionSetting),
  proposals: section(z.string(), proposalSetting),
  reviews: section(z.string(), reviewSetting),
  schedules: section(z.string(), scheduleSetting),
  /** When each key was last off: a lever that nobody has pulled for long may not work. */
  lastOff: section(z.string(), instant),
  limits: z
    .record(settingKey, limitSetting)
    .default({})
    .transform((given) => bare({ ...parsedDefaultLimits, ...given })),
  weights: section(settingKey, weightSetting),
  zones: section(zoneName, zoneSetting),
  shed: section(settingKey, shedSetting),
  dependencies: section(settingKey, dependencySetting),
  numbers: section(settingKey, numberSetting),
  /** By id. */
  canaries: section(z.string(), canarySetting),
  freezes: section(settingKey, freezeSetting),
  cache: z
    .object({
      /** Loads that one process has under way at the source at once. */
      maxLoads: z.number().int().min(1).max(1_000).default(8),
    })
    .prefault({}),
  /** By entity or a prefix of entities. */
  caches: section(settingKey, cacheSetting),
});

export type Settings = z.output<typeof settingsSchema>;
export type SettingsInput = z.input<typeof settingsSchema>;

export const defaultSettings: Settings = settingsSchema.parse({});

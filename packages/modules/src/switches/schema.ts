// What applications are told of switches: results for a caller, or the rules by which they decide themselves.

import { settingKey, switchSetting, tagName } from "@signalbox/control/settings";
import { z } from "zod";

export const ForWhom = z.object({
  unit: z
    .string()
    .max(200)
    .optional()
    .describe("whom shares go by, where nobody is signed in: the id of a device, say"),
});
export const Flag = z.object({
  key: z.string(),
  on: z.boolean(),
  message: z.string().describe("what to tell people where it is off"),
});
export const FlagList = z.object({ items: z.array(Flag), nextCursor: z.null() });

const rule = switchSetting.pick({
  ...{ state: true, share: true, targets: true, instead: true, message: true, salt: true },
  ...{ order: true, expiresAt: true, afterwards: true },
});
/** No reasons and no names: an application needs neither. */
export const RuleBook = z.object({
  revision: z.number().int(),
  keys: z.array(z.string()).describe("the switches that this application may ask for"),
  switches: z.record(settingKey, rule),
  tags: z.record(settingKey, z.array(tagName)),
  stream: z.string().describe("where changes are told, as server-sent events; good for a day"),
});
export type RuleBook = z.infer<typeof RuleBook>;

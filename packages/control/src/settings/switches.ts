// Switches: whom an "off" meets, and what they get instead; and those that an install makes for applications of its own.

import { z } from "zod";
import { kept, messageText, provenance } from "./key-and-provenance.ts";

export const tagName = z.string().regex(/^[a-z][a-z0-9-]{0,31}$/, "must look like optional or beta-ui");

const attributeName = z.string().regex(/^[a-zA-Z][\w.-]{0,63}$/, "must be a name such as appVersion");
const attributeValue = z.union([z.string().max(200), z.number(), z.boolean()]);

/** One clause of whom an "off" meets. An attribute that a caller does not have is in no list and below nothing. */
export const target = z.object({
  attribute: attributeName,
  /** `below` and `atLeast` compare numbers, and versions such as 2.10.1 part by part. */
  is: z.enum(["in", "notIn", "startsWith", "below", "atLeast"]).default("in"),
  values: z.array(attributeValue).min(1).max(1_000),
});
export const targetList = z.array(target).max(20);

/** A percentage, in steps of the thousandth that one bucket is. */
export const shareNumber = z
  .number()
  .min(0)
  .max(100)
  .refine((share) => Math.abs(share * 1_000 - Math.round(share * 1_000)) < 1e-6, "goes in steps of 0.001");

/**
 * What callers get of something that is off. `refuse`: 503 with the message. `stale`: what the cache holds, however old, while
 * nothing is asked of the database. `degrade`: an answer without its optional parts.
 */
export const offAnswer = z.enum(["refuse", "stale", "degrade"]);

const switchValue = {
  state: z.enum(["on", "off"]).default("on"),
  /** How many of a hundred callers an "off" meets. */
  share: z.number().min(0).max(100).default(100),
  /** Whom it meets: those of whom all of these are true; none: everyone. */
  targets: targetList.default([]),
  instead: offAnswer.default("refuse"),
  /** What callers read. `reason` never leaves. */
  message: z.string().default(""),
  /** Decides which callers a share meets; kept over pauses so that the same ones are met again. */
  salt: z.string().nullable().default(null),
};

const switchLayer = z.object({ ...switchValue, ...provenance });

/** `afterwards` is what holds once this value has expired: the first of it that has not expired itself. */
export const switchSetting = switchLayer.extend({ afterwards: z.array(switchLayer).default([]) });

/** A switch that an install made for an application of its own. */
export const ownSetting = kept({
  title: z.string().default(""),
  tags: z.array(tagName).default([]),
});
/** A key that is never taken again. */
export const archivedSetting = kept({});

export const switchChange = z.object({
  state: z.enum(["on", "off"]),
  share: shareNumber.optional(),
  message: messageText.optional(),
  instead: offAnswer.optional(),
  targets: targetList.optional(),
});

export type SwitchSetting = z.output<typeof switchSetting>;
export type SwitchLayer = z.output<typeof switchLayer>;
export type Target = z.output<typeof target>;
export type SwitchChange = z.output<typeof switchChange>;
export type OffAnswer = z.output<typeof offAnswer>;
export type OwnSetting = z.output<typeof ownSetting>;
export type ArchivedSetting = z.output<typeof archivedSetting>;

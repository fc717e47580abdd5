// Switches: how they stand, turning them, and the settings as files.

import {
  messageText,
  offAnswer,
  settingKey,
  shareNumber,
  tagName,
  targetList,
  whyShape,
} from "@signalbox/control/settings";
import { z } from "zod";
import { ActorShape, anyKey, Changed, endInstant, instant, listOf, OperatorPage } from "./shape-parts.ts";

export const SwitchState = z.enum(["on", "off"]);
export const narrowings = ["share", "targets", "stale", "degrade"] as const;
export type Narrowing = (typeof narrowings)[number];
export const SwitchItem = z.object({
  key: z.string(),
  kind: z.enum([
    ...["all", "prefix", "procedure", "job", "queue", "consumer", "dependency"],
    ...["optional", "tag", "own"],
  ] as const),
  /** What one switch of this tag also stands for. */
  tags: z.array(z.string()),
  /** Of an install's own switch; else empty. */
  title: z.string(),
  state: SwitchState,
  share: z.number(),
  targets: targetList,
  instead: offAnswer,
  message: z.string(),
  reason: z.string(),
  incident: z.string().nullable(),
  expiresAt: z.string().nullable(),
  /** 0: never touched. */
  revision: z.number().int(),
  changedAt: z.string().nullable(),
  changedBy: ActorShape.nullable(),
  act: z
    .string()
    .describe("what was done last: set, expired, reverted, scheduled, approved, imported, redrawn, conflict"),
  /** What calls meet: a prefix may switch off what is on by itself. */
  effective: z.object({ state: SwitchState, share: z.number(), by: z.string().nullable() }),
  narrowedBy: z
    .array(z.enum(narrowings))
    .describe(
      "what its off may say: a share of callers, whom it meets, and answers other than a refusal; a consumer is off for everyone or for nobody",
    ),
  isProtected: z.boolean().describe("letting more callers through needs a second operator"),
  isOverridden: z.boolean().describe("a local override file on some instance decides"),
  lastOffAt: z.string().nullable().describe("when it was last off, by itself or by a broader key"),
  flags: z
    .array(z.enum(["stale", "undrilled", "conflict"]))
    .describe(
      "stale: off for 30 days without an end; undrilled: not off for 90 days; conflict: changed on both sides while the database was away",
    ),
});
export const SwitchList = listOf(SwitchItem);
export const SwitchQuery = OperatorPage.extend({
  at: instant.optional().describe("as they stood at that instant, by the log"),
});

export const position = {
  state: SwitchState,
  share: shareNumber.optional().describe("with off: how many percent of callers it meets, in steps of 0.001"),
  targets: targetList
    .optional()
    .describe(
      "with off: whom it meets; by user, role, region, appVersion, application, kind or an attribute of one's own",
    ),
  instead: offAnswer.optional().describe("with off: what callers get"),
  message: messageText.optional().describe("what callers read; the reason stays inside"),
};
type Position = { state: "on" | "off"; share?: number; targets?: unknown[]; instead?: string };

/** What says whom an off meets makes no sense with on. */
export const offOnly = <Shape extends z.ZodType<Position>>(schema: Shape) =>
  schema
    .refine(({ state, share }) => state === "off" || share === undefined || share === 100, {
      path: ["share"],
      message: "goes with off: it is the share of callers that are refused",
    })
    .refine(({ state, targets }) => state === "off" || !targets?.length, {
      path: ["targets"],
      message: "go with off: they say whom it meets",
    });

export const SetSwitch = offOnly(
  z.object({
    key: anyKey,
    ...position,
    ...whyShape,
    expiresAt: endInstant,
    breakGlass: z
      .boolean()
      .optional()
      .describe(
        "past the second operator: needs a long reason and an end within four hours, and is reviewed",
      ),
  }),
);
export const CreateSwitch = z.object({
  key: settingKey.refine((key) => key !== "*" && !key.startsWith("tags.") && key.includes("."), {
    message: "must look like shop.checkout: a first word of the application, and what it is",
  }),
  title: z.string().max(200).default(""),
  tags: z.array(tagName).max(10).default([]),
  state: SwitchState.default("on").describe("what it is to begin with"),
  ...whyShape,
});
export const OneSwitch = z.object({ key: anyKey, ...whyShape });

export const RevertAct = z.object({
  revision: z.coerce.number().int().min(1),
  force: z.boolean().default(false).describe("although the key was changed since"),
  ...whyShape,
});

const SettingsFile = z.object({ path: z.string().max(250), text: z.string().max(200_000) });
export const SettingsFiles = z.object({ revision: z.number().int(), files: z.array(SettingsFile) });
export const BringInFiles = z.object({
  files: z.array(SettingsFile).max(5_000),
  dryRun: z.boolean().default(false).describe("only tells what would change"),
  expect: z
    .number()
    .int()
    .optional()
    .describe("the revision that was looked at: 409 where it is another by now"),
  ...whyShape,
});
export const BroughtIn = Changed.extend({
  changes: z.array(z.object({ section: z.string(), key: z.string(), act: z.enum(["set", "removed"]) })),
});

export type SwitchItem = z.infer<typeof SwitchItem>;
export type SetSwitch = z.infer<typeof SetSwitch>;

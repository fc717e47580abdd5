// Limits, weights of calls, and the numbers by which modules decide.

import { whyShape } from "@signalbox/control/settings";
import { z } from "zod";
import { anyKey, decided, endInstant, listOf } from "./shape-parts.ts";

const CountedBy = z.enum(["caller", "address", "account"]);
const Algorithm = z.enum(["token-bucket", "sliding-window"]);

export const LimitItem = z.object({
  key: z.string(),
  rate: z.number(),
  burst: z.number().int(),
  perSeconds: z.number(),
  by: CountedBy,
  algorithm: Algorithm,
  alonePercent: z.number(),
  isDefault: z.boolean(),
  /** What it is without a change; null: there is no limit then. */
  preset: z.object({ rate: z.number(), burst: z.number().int() }).nullable(),
  ...decided,
});
export const LimitList = listOf(LimitItem);
export const SetLimit = z.object({
  key: anyKey,
  rate: z.number().positive().max(1_000_000).describe("calls in perSeconds"),
  burst: z.number().int().min(1).max(10_000_000).optional().describe("of a token bucket: the most at once"),
  perSeconds: z.number().positive().max(86_400).optional(),
  by: CountedBy.optional().describe("whose calls are counted together"),
  algorithm: Algorithm.optional(),
  alonePercent: z
    .number()
    .min(1)
    .max(100)
    .optional()
    .describe("how much of it holds while the instances can not tell each other what they let through"),
  ...whyShape,
  expiresAt: endInstant,
});
export const WeightItem = z.object({
  key: z.string(),
  weight: z.number().int(),
  /** What the procedure says itself; null on a prefix. */
  preset: z.number().int().nullable(),
  isDefault: z.boolean(),
  ...decided,
});
export const WeightList = listOf(WeightItem);
export const SetWeight = z.object({
  key: anyKey,
  weight: z.number().int().min(0).max(10_000).describe("0: it takes nothing out of any limit"),
  ...whyShape,
  expiresAt: endInstant,
});

export const ResetLimit = z.object({ key: anyKey, ...whyShape });
export const NumberItem = z.object({
  key: z.string(),
  text: z.string(),
  value: z.number(),
  preset: z.number(),
  min: z.number(),
  max: z.number(),
  ...decided,
});
export const NumberList = listOf(NumberItem);
export const SetNumber = z.object({
  key: anyKey,
  value: z.number().int(),
  ...whyShape,
  expiresAt: endInstant,
});
export const ResetNumber = z.object({ key: anyKey, ...whyShape });

export type NumberItem = z.infer<typeof NumberItem>;
export type SetLimit = z.infer<typeof SetLimit>;
export type WeightItem = z.infer<typeof WeightItem>;
export type SetWeight = z.infer<typeof SetWeight>;
export type LimitItem = z.infer<typeof LimitItem>;

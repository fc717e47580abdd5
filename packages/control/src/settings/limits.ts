// How often callers may call, and how much a call weighs.

import { z } from "zod";
import { provenance } from "./key-and-provenance.ts";

const limitValue = {
  rate: z.number().positive().max(1_000_000),
  burst: z.number().int().min(1).max(10_000_000),
  /** `rate` is a number of calls in this many seconds. */
  perSeconds: z.number().positive().max(86_400).default(1),
  /** Whose calls are counted together; an account's are counted by the verb that knows the account. */
  by: z.enum(["caller", "address", "account"]).default("caller"),
  /**
   * A token bucket holds `burst` and fills with `rate`. A sliding window lets `rate` calls through in any `perSeconds`, however
   * they are spread, and knows no burst.
   */
  algorithm: z.enum(["token-bucket", "sliding-window"]).default("token-bucket"),
  /** How much of the limit holds while the instances can not tell each other what they let through. */
  alonePercent: z.number().min(1).max(100).default(100),
};

/** How much one call takes out of its caller's limits, compared with an ordinary one. */
const weightValue = { weight: z.number().int().min(0).max(10_000) };
const limitLayer = z.object({ ...limitValue, ...provenance });
const weightLayer = z.object({ ...weightValue, ...provenance });
export const limitSetting = limitLayer.extend({ afterwards: z.array(limitLayer).default([]) });

export const weightSetting = weightLayer.extend({ afterwards: z.array(weightLayer).default([]) });

export const defaultLimits = {
  user: { rate: 200, burst: 1_000, by: "caller" },
  address: { rate: 1_000, burst: 5_000, by: "address" },
  // Whoever guesses must not gain by taking Redis away.
  "auth.account.register": { rate: 20, burst: 200, by: "address", alonePercent: 25 },
  "auth.session.refresh": { rate: 50, burst: 400, by: "address", alonePercent: 25 },
  /** Failed sign-ins of one account. */
  "auth.session.create": { rate: 10, burst: 10, perSeconds: 900, by: "account", alonePercent: 25 },
  /** Mails that anyone may have sent to one address. */
  "auth.mail": { rate: 5, burst: 5, perSeconds: 3_600, by: "account", alonePercent: 25 },
} as const satisfies Record<string, z.input<typeof limitSetting>>;

/** Of any key that somebody wrote. */
export const presetLimit = (key: string): { rate: number; burst: number } | undefined =>
  Object.hasOwn(defaultLimits, key) ? defaultLimits[key as keyof typeof defaultLimits] : undefined;

export const parsedDefaultLimits: Record<string, z.output<typeof limitSetting>> = Object.fromEntries(
  Object.entries(defaultLimits).map(([key, limit]) => [key, limitSetting.parse(limit)]),
);

export type LimitSetting = z.output<typeof limitSetting>;
export type LimitLayer = z.output<typeof limitLayer>;
export type WeightSetting = z.output<typeof weightSetting>;
export type WeightLayer = z.output<typeof weightLayer>;

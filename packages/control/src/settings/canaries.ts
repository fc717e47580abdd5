// Canaries: what changes, in which steps, by what it is judged; and when none of them may take a step.

import { z } from "zod";
import { instant, provenance, settingKey } from "./key-and-provenance.ts";

/** Names of services, versions and modules, as instances say them. */
const shortName = z.string().min(1).max(100);

export const canaryTarget = z.discriminatedUnion("kind", [
  /** A code path: callers of a procedure, or of all below a prefix, meet one of two arms. */
  z.object({ kind: z.literal("switch"), key: settingKey }),
  /** A service of which gateways reach instances on both tracks. */
  z.object({ kind: z.literal("release"), service: shortName, version: shortName }),
  /** The jobs of a module, of which workers run on both tracks. */
  z.object({ kind: z.literal("worker"), service: shortName, version: shortName }),
]);

export const canaryStep = z.object({
  /** Of a hundred callers, how many get the canary. */
  weight: z.number().min(0.001).max(100),
  bakeSeconds: z
    .number()
    .int()
    .min(0)
    .max(14 * 86_400),
});

/** Something besides errors and latency that must not be worse on the canary's side. */
const canaryGuard = z.discriminatedUnion("kind", [
  z.object({
    kind: z.literal("saturation"),
    signal: z.enum(["cpu", "eventLoopDelayMs", "memoryBytes"]),
    /** More than so many times what the stable instances have, and more than that by `floor`. */
    ratio: z.number().min(1).max(100),
    floor: z.number().min(0),
  }),
  z.object({ kind: z.literal("counter"), name: settingKey }),
]);

/** By what the judge decides. */
export const canaryTriggers = z.object({
  /** Canary requests, and stable ones to compare them with, before a step may end. */
  minRequests: z.number().int().min(20).max(10_000_000).default(200),
  /** How likely a healthy canary may be rolled back over its whole ramp. */
  falseAlarm: z.number().min(0.0001).max(0.1).default(0.01),
  /** Odds of an error up to so many times the stable arm's count as the same. */
  errorTolerance: z.number().min(1).max(10).default(1.1),
  slowTolerance: z.number().min(1).max(10).default(1.25),
  /** Not slow, whatever the stable arm's quantile: a difference nobody notices. */
  slowFloorMs: z.number().min(0).max(60_000).default(5),
  /** Latency of a process that began a moment ago says little. */
  warmupSeconds: z.number().int().min(0).max(3_600).default(15),
  guards: z
    .array(canaryGuard)
    .max(10)
    .default([
      { kind: "saturation", signal: "eventLoopDelayMs", ratio: 3, floor: 50 },
      { kind: "saturation", signal: "memoryBytes", ratio: 2, floor: 300_000_000 },
    ]),
  /** `freeze`: for a change that must not be taken back by itself; it stays where it is and waits for an operator. */
  onRegression: z.enum(["rollback", "freeze"]).default("rollback"),
  /** After so long without sight of the canary. */
  missingSeconds: z.number().int().min(15).max(86_400).default(300),
  onMissing: z.enum(["rollback", "pause"]).default("rollback"),
});

export const canaryStates = ["ramping", "paused", "frozen", "complete", "promoted", "aborted"] as const;

export const canarySetting = z.object({
  id: z.string(),
  target: canaryTarget,
  steps: z.array(canaryStep).default([]),
  triggers: canaryTriggers.prefault({}),
  /** `complete`: healthy to the end of a ladder that ends too low for a last step by itself. */
  state: z.enum(canaryStates).default("ramping"),
  /** Which of the steps holds. */
  step: z.number().int().min(0).default(0),
  weight: z.number().min(0).max(100).default(0),
  salt: z.string(),
  /** Why it was started; `reason` is of the last act. */
  purpose: z.string().default(""),
  startedAt: instant.nullable().default(null),
  /** Since when this step bakes. */
  since: instant.nullable().default(null),
  /** Added to this step's bake time by an operator. */
  extraSeconds: z.number().int().min(0).default(0),
  endedAt: instant.nullable().default(null),
  ...provenance,
  /** A canary has no end by the clock. */
  afterwards: z.array(z.never()).default([]),
});

/** When no canary may begin or take a step: between two instants, or each week. Turning back is always possible. */
const freezeLayer = z.object({
  from: instant.nullable().default(null),
  until: instant.nullable().default(null),
  weekly: z
    .object({
      /** 1 is Monday. */
      days: z.array(z.number().int().min(1).max(7)).min(1),
      from: z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$/, "must look like 17:00"),
      until: z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$/, "must look like 09:00"),
      timeZone: z.string().max(100),
    })
    .nullable()
    .default(null),
  ...provenance,
});
export const freezeSetting = freezeLayer.extend({ afterwards: z.array(freezeLayer).default([]) });

export type CanarySetting = z.output<typeof canarySetting>;
export type CanaryTarget = z.output<typeof canaryTarget>;
export type CanaryStep = z.output<typeof canaryStep>;
export type CanaryTriggers = z.output<typeof canaryTriggers>;
export type FreezeSetting = z.output<typeof freezeSetting>;
export type FreezeLayer = z.output<typeof freezeLayer>;

// Where traffic goes and how much of it is taken: zones, shedding, and the parts that processes ask.

import { shedValues, whyShape, zoneName } from "@signalbox/control/settings";
import { z } from "zod";
import { anyKey, decided, endInstant, listOf } from "./shape-parts.ts";
import { BreakerState, Lane, Part } from "./signals.ts";

export const ZoneItem = z.object({
  key: z.string(),
  weight: z.number(),
  /** Of services that run there. */
  instances: z.number().int(),
  ...decided,
});
export const ZoneList = listOf(ZoneItem);
export const SetZone = z.object({
  key: zoneName.meta({ description: "A zone", examples: ["eu-west-1a"] }),
  weight: z
    .number()
    .min(0)
    .max(100)
    .describe("of a hundred calls that would go to this zone, how many do; 0: it is drained"),
  ...whyShape,
  expiresAt: endInstant,
});

export const ShedItem = z.object({
  key: z.string().describe("a service, or * for all"),
  values: shedValues.required().describe("in force, whoever set them"),
  set: shedValues.describe("set on this very key"),
  ...decided,
  instances: z.array(Lane.extend({ instance: z.string(), name: z.string() })),
});
export const ShedList = listOf(ShedItem);
export const SetShed = shedValues
  .extend({ key: anyKey, ...whyShape, expiresAt: endInstant })
  .refine((given) => Object.keys(shedValues.shape).some((name) => Object.hasOwn(given, name)), {
    path: ["maxInFlight"],
    message: `one of ${Object.keys(shedValues.shape).join(", ")} is needed`,
  });
export const ResetShed = z.object({ key: anyKey, ...whyShape });

export const DependencyItem = z.object({
  name: z.string(),
  /** Off, it is refused as by an open breaker. */
  switchKey: z.string(),
  isSwitchedOff: z.boolean(),
  force: z
    .enum(["auto", "open", "closed"])
    .describe("open: not asked at all; closed: asked whatever happens"),
  ...decided,
  /** The worst of all instances. */
  state: BreakerState,
  instances: z.array(Part.extend({ instance: z.string(), process: z.string() })),
});
export const DependencyList = listOf(DependencyItem);
export const ForceDependency = z.object({
  name: anyKey,
  force: z.enum(["auto", "open", "closed"]),
  ...whyShape,
  expiresAt: endInstant,
});

export type ShedItem = z.infer<typeof ShedItem>;
export type DependencyItem = z.infer<typeof DependencyItem>;
export type ZoneItem = z.infer<typeof ZoneItem>;
export type SetZone = z.infer<typeof SetZone>;

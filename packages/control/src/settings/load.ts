// Where traffic goes and how much of it is taken: zones, shedding, and the parts that processes ask.

import { z } from "zod";
import { provenance } from "./key-and-provenance.ts";

/** Where an instance runs, as SIGNALBOX_ZONE names it. */
export const zoneName = z.string().regex(/^[a-zA-Z][\w-]{0,62}$/, "must be a name such as eu-west-1a");

const count = z.number().int().min(1).max(100_000);
const waitMs = z.number().int().min(0).max(60_000);

/** How much a service takes at once; what is left out stays as it is by default. */
const shedValue = {
  /** Between these two the limit finds its place by itself. */
  minInFlight: count.optional(),
  maxInFlight: count.optional(),
  /** So many times its quiet latency a call may take before fewer are let in. */
  tolerance: z.number().min(1.1).max(20).optional(),
  /** Of the limit, up to which percentage calls of lesser priority are taken. */
  normalPercent: z.number().min(0).max(100).optional(),
  backgroundPercent: z.number().min(0).max(100).optional(),
  /** How many of one priority may wait, and for how long. */
  maxQueue: z.number().int().min(0).max(100_000).optional(),
  patienceMs: waitMs.optional(),
  criticalPatienceMs: waitMs.optional(),
  /** Mean delay of the event loop over a second at which background calls are refused; four times it: normal ones too. */
  eventLoopDelayMs: z.number().positive().max(60_000).optional(),
  /** While there is more to do than can be done, answers leave out what is optional in them. */
  degrade: z.boolean().optional(),
};

export const defaultShed = {
  minInFlight: 4,
  maxInFlight: 2_000,
  tolerance: 1.5,
  normalPercent: 90,
  backgroundPercent: 60,
  maxQueue: 1_000,
  patienceMs: 1_000,
  criticalPatienceMs: 5_000,
  eventLoopDelayMs: 300,
  degrade: true,
};

/** `open`: not asked at all. `closed`: asked whatever happens. `auto`: the breaker decides. */
const dependencyValue = { force: z.enum(["auto", "open", "closed"]).default("auto") };
const shedLayer = z.object({ ...shedValue, ...provenance });
const dependencyLayer = z.object({ ...dependencyValue, ...provenance });
/** Of a hundred calls that gateways would send to a zone, how many they do; the rest goes to the others. */
const zoneLayer = z.object({ weight: z.number().min(0).max(100).default(100), ...provenance });
export const zoneSetting = zoneLayer.extend({ afterwards: z.array(zoneLayer).default([]) });
/** By service, or `*` for all. */
export const shedSetting = shedLayer.extend({ afterwards: z.array(shedLayer).default([]) });
/** By name of the part: postgres, redis, smtp. */
export const dependencySetting = dependencyLayer.extend({ afterwards: z.array(dependencyLayer).default([]) });
export const shedValues = z.object(shedValue);

export type ZoneSetting = z.output<typeof zoneSetting>;
export type ZoneLayer = z.output<typeof zoneLayer>;
export type ShedSetting = z.output<typeof shedSetting>;
export type ShedLayer = z.output<typeof shedLayer>;
export type ShedValues = typeof defaultShed;
export type DependencySetting = z.output<typeof dependencySetting>;
export type DependencyLayer = z.output<typeof dependencyLayer>;

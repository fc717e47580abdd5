// What is seen of processes: the golden signals, how full they are, and which there are.

import { z } from "zod";
import { listOf } from "./shape-parts.ts";

export const GoldenWindow = z.enum(["30s", "5m", "1h"]);
export const GoldenBy = z.enum(["endpoint", "service", "version", "track"]);
export const GoldenQuery = z.object({
  window: GoldenWindow.default("30s"),
  by: GoldenBy.default("endpoint"),
});
export const GoldenItem = z.object({
  key: z.string(),
  rps: z.number(),
  requests: z.number().int(),
  errors: z.number().int(),
  /** 0 to 1; errors of requests. */
  errorRate: z.number(),
  /** By switches, limits and shedding; not errors. */
  refused: z.number().int(),
  /** Milliseconds; null where nothing was answered. */
  p50: z.number().nullable(),
  p95: z.number().nullable(),
  p99: z.number().nullable(),
});
const inFlight = z.number().int().describe("calls under way");
export const Lane = z.object({
  service: z.string(),
  limit: z.number().int().describe("how many calls at once make sense now"),
  inFlight,
  waiting: z.number().int().describe("calls that wait for their turn"),
  refused: z.number().int().describe("since the process began"),
  latencyRatio: z.number().describe("how long calls take, of what they take in quiet times"),
  overloaded: z.boolean(),
});
export const BreakerState = z.enum(["closed", "open", "half-open"]);
export const Part = z.object({
  name: z.string(),
  state: BreakerState,
  forced: z.enum(["open", "closed"]).nullable(),
  calls: z.number().int().describe("of the last ten seconds"),
  failures: z.number().int(),
  refused: z.number().int().describe("since the process began"),
  opened: z.number().int().describe("how often"),
  since: z.string(),
  reason: z.string(),
  bulkhead: z
    .object({
      running: z.number().int(),
      waiting: z.number().int(),
      maxConcurrent: z.number().int(),
      maxQueue: z.number().int(),
      refused: z.number().int(),
    })
    .nullable(),
  retries: z.object({ left: z.number(), retries: z.number().int(), denied: z.number().int() }),
});
export const InstanceSaturation = z.object({
  instance: z.string(),
  name: z.string(),
  /** Cores in use: 1 is one whole core. */
  cpu: z.number(),
  eventLoopDelayMs: z.number(),
  memoryBytes: z.number(),
  heapBytes: z.number(),
  inFlight: z.number(),
  pool: z.object({ size: z.number(), inUse: z.number(), waiting: z.number() }).nullable(),
  /** Of this moment only. */
  parts: z.object({ lanes: z.array(Lane), dependencies: z.array(Part) }).optional(),
});
export const ErrorSignature = z.object({
  code: z.string(),
  endpoint: z.string(),
  message: z.string(),
  count: z.number().int(),
  requestId: z.string(),
});
export const Golden = z.object({
  at: z.string(),
  window: GoldenWindow,
  by: GoldenBy,
  /** The seconds that the counts cover. */
  seconds: z.number(),
  /** Redis is away: what this process alone has seen. */
  partial: z.boolean(),
  items: z.array(GoldenItem),
  saturation: z.object({
    cpu: z.number(),
    eventLoopDelayMs: z.number(),
    memoryBytes: z.number(),
    inFlight: z.number(),
    instances: z.array(InstanceSaturation),
  }),
  errorSignatures: z.array(ErrorSignature),
});

export const CourseQuery = z.object({ window: GoldenWindow.default("5m") });
export const CoursePoint = GoldenItem.omit({ key: true }).extend({
  /** The end of its span. */
  at: z.string(),
  instances: z.array(InstanceSaturation),
});
export const Course = z.object({ items: z.array(CoursePoint), nextCursor: z.null() });

export const ServiceItem = z.object({
  id: z.string(),
  name: z.string(),
  role: z.string(),
  version: z.string(),
  track: z.enum(["stable", "canary"]),
  zone: z.string(),
  pid: z.number().int(),
  address: z.string().nullable(),
  health: z.enum(["pass", "warn", "fail"]),
  startedAt: z.string(),
  lastSeenMs: z.number(),
  /** The revision of the settings that it enforces; null where it holds none. */
  revision: z.number().int().nullable(),
  /** Keys that a file on its machine decides. */
  overridden: z.array(z.string()),
  /** The modules that gateways call there; none: it is no service. */
  services: z.array(z.string()),
  /** Calls under way there. */
  load: z.number(),
  /** Gateways that send it nothing for a while, because it failed them. */
  ejectedBy: z.array(z.string()),
});
/** `known` is false where the registry is away: an empty list then says nothing. */
export const ServiceList = listOf(ServiceItem).extend({
  known: z.boolean(),
  /** The newest revision that this answer knows of. */
  revision: z.number().int(),
});

export type Golden = z.infer<typeof Golden>;
export type CoursePoint = z.infer<typeof CoursePoint>;
export type GoldenQuery = z.infer<typeof GoldenQuery>;
export type ServiceItem = z.infer<typeof ServiceItem>;

// What operators send and read. Pure, so that console forms use the same rules as the server.

import {
  cacheTtl,
  messageText,
  offAnswer,
  settingKey,
  shareNumber,
  shedValues,
  tagName,
  targetList,
  whyShape,
  zoneName,
} from "@signalbox/control/settings";
import { z } from "zod";

export { switchedOff } from "@signalbox/control/refusal";

/** Any text: what is not a key of ours is a 404, not a fault in a form. */
const anyKey = z.string().min(1).max(200);

const instant = z.iso.datetime({ offset: true });
/** An end in the past would be a change that never holds. */
const endInstant = instant.nullable().optional();

/** Without a limit an operator gets everything. */
export const OperatorPage = z.object({
  limit: z.coerce.number().int().min(1).max(1_000).optional(),
  cursor: z.string().max(200).optional(),
});
const listOf = <Item extends z.ZodType>(item: Item) =>
  z.object({ items: z.array(item), nextCursor: z.string().nullable() });

export const ActorShape = z.object({ kind: z.string(), id: z.string(), name: z.string() });

export const Confirmations = z.object({
  /** Null: the registry is gone, so nobody knows how many there are. */
  expected: z.number().int().nullable(),
  confirmed: z.number().int(),
  slowestMs: z.number().nullable(),
  missing: z.array(z.string()),
});
export const Changed = z.object({
  version: z.number().int(),
  confirmations: Confirmations,
  logged: z
    .boolean()
    .optional()
    .describe("false: the database is away; the change is in force, and enters the log when that is back"),
});

export const SwitchState = z.enum(["on", "off"]);
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

const position = {
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
const offOnly = <Shape extends z.ZodType<Position>>(schema: Shape) =>
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

export const ProposalItem = z.object({
  id: z.string(),
  key: z.string(),
  change: z.object(position).nullable().describe("null: to take the protection away"),
  expires: z.string().nullable().describe("the end that the change would have"),
  hash: z.string().describe("of what is proposed; whoever approves repeats it"),
  reason: z.string(),
  proposedBy: ActorShape.nullable(),
  proposedAt: z.string().nullable(),
  expiresAt: z.string().nullable().describe("until when it waits"),
});
export const ProposalList = listOf(ProposalItem);
export const Propose = z.object({
  key: anyKey,
  change: offOnly(z.object(position)).nullable(),
  expires: endInstant.describe("the end that the change shall have"),
  ...whyShape,
});
export const Proposed = z.object({ id: z.string(), hash: z.string(), version: z.number().int() });
export const Approve = z.object({ id: anyKey, hash: z.string().max(200), ...whyShape });
export const OneProposal = z.object({ id: anyKey, ...whyShape });

export const ReviewItem = z.object({
  revision: z.string(),
  key: z.string(),
  dueAt: z.string(),
  isDue: z.boolean(),
  reason: z.string(),
  brokenBy: ActorShape.nullable(),
  brokenAt: z.string().nullable(),
});
export const ReviewList = listOf(ReviewItem);
export const CloseReview = z.object({
  revision: anyKey,
  verdict: z.enum(["right", "wrong"]),
  ...whyShape,
});

const plan = {
  key: anyKey,
  at: z.string().describe("as on a clock on the wall there: 2026-12-24T18:00"),
  timeZone: z.string().max(64).describe("such as Europe/Berlin"),
  repeat: z.enum(["once", "daily", "weekly"]).default("once"),
  forMinutes: z.number().int().min(1).max(525_600).nullable().default(null).describe("how long a run holds"),
  missed: z.enum(["skip", "late"]).default("skip").describe("a run that comes over a minute late"),
};
export const PlanSwitch = z.object({ ...plan, change: offOnly(z.object(position)), ...whyShape });
export const ScheduleItem = z.object({
  id: z.string(),
  ...plan,
  change: z.object(position),
  nextAt: z.string(),
  reason: z.string(),
  plannedBy: ActorShape.nullable(),
});
export const ScheduleList = listOf(ScheduleItem);
export const Planned = z.object({ id: z.string(), nextAt: z.string(), version: z.number().int() });
export const OneSchedule = z.object({ id: anyKey, ...whyShape });

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

export const LedgerItem = z.object({
  instance: z.string(),
  revision: z.number().int().nullable(),
  isBehind: z.boolean(),
  /** How long the newest revision has been out there without this one. */
  behindMs: z.number().nullable(),
  aspect: z.enum(["clear", "caution", "danger"]).describe("caution after 5 s, danger after 15 s"),
  overridden: z.array(z.string()),
});
/** Who enforces what; `expected` null: the registry is away. */
export const Ledger = listOf(LedgerItem).extend({
  revision: z.number().int(),
  pending: z.number().int().describe("acts that the log does not have yet"),
  expected: z.number().int().nullable(),
  confirmed: z.number().int(),
});

export const AuditEvent = z.object({
  revision: z.number().int(),
  id: z.string(),
  at: z.string(),
  actor: ActorShape,
  kind: z.string(),
  key: z.string(),
  before: z.unknown(),
  after: z.unknown(),
  reason: z.string(),
  incident: z.string().nullable().describe("what it was done for"),
  expiresAt: z.string().nullable(),
  requestId: z.string(),
  userId: z
    .string()
    .nullable()
    .describe("whom an alias in `key` stands for; null: nobody, or someone erased"),
  previousHash: z.string(),
  hash: z.string(),
});
export const History = OperatorPage.extend({ key: anyKey });
export const AuditQuery = OperatorPage.extend({
  key: anyKey.optional(),
  actor: z.string().max(200).optional().describe("the name or id of who acted"),
  incident: z.string().max(100).optional().describe("what was done for it"),
  kind: z.string().max(100).optional().describe("a kind of act, or what kinds begin with: switch, limit.set"),
  at: instant.optional(),
});
/** Newest first; with `at` also the whole state at that instant. */
export const AuditList = listOf(AuditEvent).extend({
  state: z
    .object({ at: z.string(), revision: z.number().int(), settings: z.unknown() })
    .nullable()
    .optional(),
  /** The database is away: only what was done since, and is not in the log yet. */
  partial: z.boolean().optional(),
});
export const EventList = listOf(AuditEvent);
export const AuditVerdict = z.object({
  ok: z.boolean(),
  checked: z.number().int(),
  head: z.object({ revision: z.number().int(), hash: z.string() }),
  /** The first event that does not fit, and why. */
  fault: z.object({ revision: z.number().int(), why: z.string() }).nullable(),
});

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
const Lane = z.object({
  service: z.string(),
  limit: z.number().int().describe("how many calls at once make sense now"),
  inFlight,
  waiting: z.number().int().describe("calls that wait for their turn"),
  refused: z.number().int().describe("since the process began"),
  latencyRatio: z.number().describe("how long calls take, of what they take in quiet times"),
  overloaded: z.boolean(),
});
const BreakerState = z.enum(["closed", "open", "half-open"]);
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

const CountedBy = z.enum(["caller", "address", "account"]);
const Algorithm = z.enum(["token-bucket", "sliding-window"]);

export const ZoneItem = z.object({
  key: z.string(),
  weight: z.number(),
  /** Of services that run there. */
  instances: z.number().int(),
  reason: z.string(),
  expiresAt: z.string().nullable(),
  revision: z.number().int(),
  changedAt: z.string().nullable(),
  changedBy: ActorShape.nullable(),
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
  reason: z.string(),
  expiresAt: z.string().nullable(),
  revision: z.number().int(),
  changedAt: z.string().nullable(),
  changedBy: ActorShape.nullable(),
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
  reason: z.string(),
  expiresAt: z.string().nullable(),
  revision: z.number().int(),
  changedAt: z.string().nullable(),
  changedBy: ActorShape.nullable(),
});
export const WeightList = listOf(WeightItem);
export const SetWeight = z.object({
  key: anyKey,
  weight: z.number().int().min(0).max(10_000).describe("0: it takes nothing out of any limit"),
  ...whyShape,
  expiresAt: endInstant,
});

export const ResetLimit = z.object({ key: anyKey, ...whyShape });

const CacheTimes = z.object({
  l1Ms: z.number().describe("in the memory of one process"),
  l2Ms: z.number().describe("in Redis, for all"),
  negativeMs: z.number().describe("how long it is believed that there is nothing"),
  staleMs: z.number().describe("how much longer, should the source be away"),
  cdnSeconds: z.number().describe("what a CDN may keep of an answer to a guest"),
});
const entries = z.number().int().describe("in memory");
/** Counts are of the last five minutes, over all instances. */
export const CacheItem = z.object({
  entity: z.string(),
  module: z.string(),
  entries,
  hits: z.number().int(),
  l1Hits: z.number().int(),
  l2Hits: z.number().int(),
  negativeHits: z.number().int(),
  misses: z.number().int(),
  stale: z.number().int(),
  /** 0 to 1; null where nobody asked. */
  hitRate: z.number().nullable(),
  fills: z.number().int(),
  fillErrors: z.number().int(),
  fillP50Ms: z.number().nullable(),
  fillP99Ms: z.number().nullable(),
  invalidations: z.number().int(),
  ttl: CacheTimes.describe("in force, whoever set it"),
  instances: z.array(
    z.object({
      instance: z.string(),
      entries,
      hits: z.number().int(),
      misses: z.number().int(),
      stale: z.number().int(),
    }),
  ),
});
/** What an operator set on an entity, a prefix or `*`. */
export const CacheSet = z.object({
  key: z.string(),
  ...cacheTtl.shape,
  reason: z.string(),
  expiresAt: z.string().nullable(),
  revision: z.number().int(),
  changedAt: z.string().nullable(),
  changedBy: ActorShape.nullable(),
});
/** `known` is false where the registry is away: then only the answering process is told of. */
export const CacheList = listOf(CacheItem).extend({
  known: z.boolean(),
  since: z.string(),
  set: z.array(CacheSet),
});
export const NumberItem = z.object({
  key: z.string(),
  text: z.string(),
  value: z.number(),
  preset: z.number(),
  min: z.number(),
  max: z.number(),
  reason: z.string(),
  expiresAt: z.string().nullable(),
  revision: z.number().int(),
  changedAt: z.string().nullable(),
  changedBy: ActorShape.nullable(),
});
export type NumberItem = z.infer<typeof NumberItem>;
export const NumberList = listOf(NumberItem);
export const SetNumber = z.object({
  key: anyKey,
  value: z.number().int(),
  ...whyShape,
  expiresAt: endInstant,
});
export const ResetNumber = z.object({ key: anyKey, ...whyShape });

export const SetCacheTtl = cacheTtl
  .extend({ entity: anyKey, ...whyShape, expiresAt: endInstant })
  .refine(
    (given) => Object.keys(cacheTtl.shape).some((name) => given[name as keyof typeof given] !== undefined),
    {
      path: ["l1Ms"],
      message: "one of l1Ms, l2Ms, negativeMs, staleMs and cdnSeconds is needed",
    },
  );
export const ResetCacheTtl = z.object({ entity: anyKey, ...whyShape });
export const Invalidate = z
  .object({
    key: z.string().min(1).max(300).optional().describe("one value, as `users.handle:ann`"),
    prefix: anyKey.optional().describe("an entity, all below a prefix, or *"),
    module: anyKey.optional(),
    ...whyShape,
  })
  .refine(
    ({ key, prefix, module }) => [key, prefix, module].filter((one) => one !== undefined).length === 1,
    {
      path: ["key"],
      message: "exactly one of key, prefix and module is needed",
    },
  );
export const WarmCaches = z.object({ prefix: anyKey.default("*"), ...whyShape });
export const Warmed = z.object({ values: z.number().int() });

const decided = {
  reason: z.string(),
  expiresAt: z.string().nullable(),
  /** 0: never touched. */
  revision: z.number().int(),
  changedAt: z.string().nullable(),
  changedBy: ActorShape.nullable(),
};

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

export const OpenSession = z.object({ token: z.string().min(1).max(2_000) });
export const Operator = z.object({
  id: z.string(),
  name: z.string(),
  role: z.enum(["viewer", "operator", "admin"]),
});
export const Session = z.object({ operator: Operator, expiresAt: z.string().nullable() });

export type CacheItem = z.infer<typeof CacheItem>;
export type CacheSet = z.infer<typeof CacheSet>;
export type SwitchItem = z.infer<typeof SwitchItem>;
export type SetSwitch = z.infer<typeof SetSwitch>;
export type ProposalItem = z.infer<typeof ProposalItem>;
export type ReviewItem = z.infer<typeof ReviewItem>;
export type ScheduleItem = z.infer<typeof ScheduleItem>;
export type LedgerItem = z.infer<typeof LedgerItem>;
export type SetLimit = z.infer<typeof SetLimit>;
export type WeightItem = z.infer<typeof WeightItem>;
export type SetWeight = z.infer<typeof SetWeight>;
export type Changed = z.infer<typeof Changed>;
export type Golden = z.infer<typeof Golden>;
export type CoursePoint = z.infer<typeof CoursePoint>;
export type ShedItem = z.infer<typeof ShedItem>;
export type DependencyItem = z.infer<typeof DependencyItem>;
export type GoldenQuery = z.infer<typeof GoldenQuery>;
export type ServiceItem = z.infer<typeof ServiceItem>;
export type ZoneItem = z.infer<typeof ZoneItem>;
export type SetZone = z.infer<typeof SetZone>;
export type LimitItem = z.infer<typeof LimitItem>;
export type AuditEvent = z.infer<typeof AuditEvent>;

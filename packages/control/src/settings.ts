// What the log folds into: one document, every field with a default, so that an empty one is a working platform.

import { z } from "zod";

/** `feed.post.create`, a prefix of it that stands for all below, or `*`. */
export const settingKey = z
  .string()
  .max(200)
  .regex(/^(\*|[a-zA-Z][\w-]*(\.[\w-]+)*)$/, "must look like feed.post.create, a prefix of it, or *");

/** Where an instance runs, as SIGNALBOX_ZONE names it. */
export const zoneName = z.string().regex(/^[a-zA-Z][\w-]{0,62}$/, "must be a name such as eu-west-1a");

/** Postgres and the hash chain take neither NUL nor half of a character. */
const plainText = z
  .string()
  .refine((text) => !text.includes("\0") && text.isWellFormed(), "must be plain Unicode text without NUL");

export const reasonText = plainText.min(1).max(500);
export const messageText = plainText.max(500);
/** Why somebody acts, as every act of an operator says it. */
export const whyShape = {
  reason: reasonText,
  incident: plainText.trim().min(1).max(100).optional().describe("what it is done for, such as INC-42"),
};

const instant = z.iso.datetime({ offset: true });

export const actor = z.object({ kind: z.string(), id: z.string(), name: z.string() });

/** Who decided a value, why, and until when it holds. */
const provenance = {
  reason: z.string().default(""),
  incident: z.string().nullable().default(null),
  /** Past this instant the value is as if it had been taken back; every process sees to that by its own clock. */
  expiresAt: instant.nullable().default(null),
  /** The event that last touched this key. */
  revision: z.number().int().min(0).default(0),
  /** The event that decided this value: a revert brings back an old value together with its age. */
  order: z.number().int().min(0).default(0),
  changedAt: instant.nullable().default(null),
  changedBy: actor.nullable().default(null),
  /** What was done: the second word of the event's kind, such as set, expired or conflict. */
  act: z.string().default("set"),
};

/** Tags stand beside modules: `tags.optional` is everything that an answer can do without. */
export const tagPrefix = "tags.";
/** A consumer of the bus is a module's; it stops where it is. A part that processes ask is refused to all callers. */
export const consumerPrefix = "consumers.";
export const dependencyPrefix = "dependencies.";
/** Of what there are several, such as copies of the database, one switch stands for all. */
export const partSwitch = (name: string): string => dependencyPrefix + name.replace(/-\d+$/, "");
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

const switchLayer = z.object({ ...switchValue, ...provenance });
const limitLayer = z.object({ ...limitValue, ...provenance });
const weightLayer = z.object({ ...weightValue, ...provenance });
const shedLayer = z.object({ ...shedValue, ...provenance });
const dependencyLayer = z.object({ ...dependencyValue, ...provenance });

/** `afterwards` is what holds once this value has expired: the first of it that has not expired itself. */
export const switchSetting = switchLayer.extend({ afterwards: z.array(switchLayer).default([]) });
export const limitSetting = limitLayer.extend({ afterwards: z.array(limitLayer).default([]) });
/** Of a hundred calls that gateways would send to a zone, how many they do; the rest goes to the others. */
const zoneLayer = z.object({ weight: z.number().min(0).max(100).default(100), ...provenance });
export const zoneSetting = zoneLayer.extend({ afterwards: z.array(zoneLayer).default([]) });

export const weightSetting = weightLayer.extend({ afterwards: z.array(weightLayer).default([]) });
/** By service, or `*` for all. */
export const shedSetting = shedLayer.extend({ afterwards: z.array(shedLayer).default([]) });
/** By name of the part: postgres, redis, smtp. */
export const dependencySetting = dependencyLayer.extend({ afterwards: z.array(dependencyLayer).default([]) });
export const shedValues = z.object(shedValue);

const numberLayer = z.object({ value: z.number(), ...provenance });
export const numberSetting = numberLayer.extend({ afterwards: z.array(numberLayer).default([]) });

/** Numbers by which modules decide, each with what it is unless an operator says otherwise. */
export const knownNumbers = {
  "auth.secondFactor": {
    preset: 0,
    min: 0,
    max: 2,
    text: "who must have a second factor to sign in and to stay signed in; 0: nobody, 1: moderators, 2: everyone",
  },
  "database.replicaLagMs": {
    preset: 1_000,
    min: 0,
    // A page that was read on a copy tolerates what comes in late for five seconds, and clocks differ too.
    max: 3_000,
    text: "a copy of the database that is further behind, in milliseconds, is not read from; 0: none is",
  },
  "canaries.slotDays": {
    preset: 30,
    min: 1,
    max: 3_650,
    text: "days for which the counts of a canary that is over are kept; its decisions stay, each with its evidence",
  },
  "feed.pullAbove": {
    preset: 10_000,
    min: 1,
    max: 1_000_000_000,
    text: "with more followers than this an author's posts are not pushed to timelines but fetched by who reads",
  },
  "feed.spreadAbove": {
    preset: 5_000,
    min: 1,
    max: 1_000_000,
    text: "with more followers than this a post that is pushed is brought to them in jobs on the queue feed.timeline.spread, by all workers",
  },
  "feed.timelineEntries": {
    preset: 800,
    min: 1,
    max: 5_000,
    text: "posts that a home timeline holds; older ones are read from the database",
  },
  "feed.writeQueue": {
    preset: 0,
    min: 0,
    max: 1_000_000,
    text: "posts that an instance writes down on its disk while the database is away, answered with 202; 0: they are refused with 503",
  },
  "live.perUser": {
    preset: 5,
    min: 1,
    max: 1_000,
    text: "live streams that one user has at once on an instance; one more ends the oldest",
  },
  "live.perInstance": {
    preset: 10_000,
    min: 0,
    max: 1_000_000,
    text: "live streams that one instance holds; more are refused, and told to come back",
  },
} as const;
export type NumberKey = keyof typeof knownNumbers;

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

const milliseconds = z
  .number()
  .int()
  .min(0)
  .max(30 * 86_400_000);

/** How long values of an entity (`users.profile`), or of all below a prefix, stay cached; what is left out stays as it is. */
export const cacheTtl = z.object({
  l1Ms: milliseconds.optional(),
  l2Ms: milliseconds.optional(),
  negativeMs: milliseconds.optional(),
  staleMs: milliseconds.optional(),
  cdnSeconds: z.number().int().min(0).max(86_400).optional(),
});
const cacheLayer = z.object({ ...cacheTtl.shape, ...provenance });
export const cacheSetting = cacheLayer.extend({ afterwards: z.array(cacheLayer).default([]) });

/** What is kept by key without an end of its own. */
const kept = <Shape extends z.ZodRawShape>(shape: Shape) =>
  z.object({ ...shape, ...provenance }).extend({ afterwards: z.array(z.never()).default([]) });

/** A switch that an install made for an application of its own. */
export const ownSetting = kept({
  title: z.string().default(""),
  tags: z.array(tagName).default([]),
});
/** A key that is never taken again. */
export const archivedSetting = kept({});
/** Turning on what is below this key needs a second person. */
export const protectionSetting = kept({});

export const switchChange = z.object({
  state: z.enum(["on", "off"]),
  share: shareNumber.optional(),
  message: messageText.optional(),
  instead: offAnswer.optional(),
  targets: targetList.optional(),
});

export const proposalSetting = kept({
  key: settingKey,
  /** Null: to take the protection away. */
  change: switchChange.nullable(),
  expires: instant.nullable().default(null),
  /** Of what is proposed: whoever approves says which content he means. */
  hash: z.string(),
  /** What the key was at when it was proposed. */
  base: z.number().int().min(0),
});
/** Glass was broken: somebody has to look at it by then. */
export const reviewSetting = kept({ key: settingKey, dueAt: instant });

export const scheduleSetting = kept({
  key: settingKey,
  change: switchChange,
  /** As on a clock on the wall there: `2026-12-24T18:00`. */
  at: z.string(),
  timeZone: z.string(),
  repeat: z.enum(["once", "daily", "weekly"]).default("once"),
  /** How long each run holds; null: until somebody changes it. */
  forMinutes: z.number().int().min(1).max(525_600).nullable().default(null),
  /** A run that comes more than a minute late: left out, or made up for. */
  missed: z.enum(["skip", "late"]).default("skip"),
  nextAt: instant,
  /** The key's revision when this was made: a person's later word is not overruled. */
  base: z.number().int().min(0),
});

export const settingsSchema = z.object({
  switches: z.record(settingKey, switchSetting).default({}),
  own: z.record(settingKey, ownSetting).default({}),
  archived: z.record(settingKey, archivedSetting).default({}),
  protections: z.record(settingKey, protectionSetting).default({}),
  proposals: z.record(z.string(), proposalSetting).default({}),
  reviews: z.record(z.string(), reviewSetting).default({}),
  schedules: z.record(z.string(), scheduleSetting).default({}),
  /** When each key was last off: a lever that nobody has pulled for long may not work. */
  lastOff: z.record(z.string(), instant).default({}),
  limits: z
    .record(settingKey, limitSetting)
    .default({})
    .transform((given) => ({ ...parsedDefaultLimits, ...given })),
  weights: z.record(settingKey, weightSetting).default({}),
  zones: z.record(zoneName, zoneSetting).default({}),
  shed: z.record(settingKey, shedSetting).default({}),
  dependencies: z.record(settingKey, dependencySetting).default({}),
  numbers: z.record(settingKey, numberSetting).default({}),
  /** By id. */
  canaries: z.record(z.string(), canarySetting).default({}),
  freezes: z.record(settingKey, freezeSetting).default({}),
  cache: z
    .object({
      /** Loads that one process has under way at the source at once. */
      maxLoads: z.number().int().min(1).max(1_000).default(8),
    })
    .prefault({}),
  /** By entity or a prefix of entities. */
  caches: z.record(settingKey, cacheSetting).default({}),
});

const parsedDefaultLimits: Record<string, z.output<typeof limitSetting>> = Object.fromEntries(
  Object.entries(defaultLimits).map(([key, limit]) => [key, limitSetting.parse(limit)]),
);

export type Settings = z.output<typeof settingsSchema>;
export type SettingsInput = z.input<typeof settingsSchema>;
export type SwitchSetting = z.output<typeof switchSetting>;
export type SwitchLayer = z.output<typeof switchLayer>;
export type Target = z.output<typeof target>;
export type SwitchChange = z.output<typeof switchChange>;
export type OffAnswer = z.output<typeof offAnswer>;
export type OwnSetting = z.output<typeof ownSetting>;
export type ArchivedSetting = z.output<typeof archivedSetting>;
export type ProtectionSetting = z.output<typeof protectionSetting>;
export type ProposalSetting = z.output<typeof proposalSetting>;
export type ReviewSetting = z.output<typeof reviewSetting>;
export type ScheduleSetting = z.output<typeof scheduleSetting>;
export type LimitSetting = z.output<typeof limitSetting>;
export type NumberSetting = z.output<typeof numberSetting>;
export type NumberLayer = z.output<typeof numberLayer>;
export type LimitLayer = z.output<typeof limitLayer>;
export type ZoneSetting = z.output<typeof zoneSetting>;
export type ZoneLayer = z.output<typeof zoneLayer>;
export type WeightSetting = z.output<typeof weightSetting>;
export type WeightLayer = z.output<typeof weightLayer>;
export type CacheSetting = z.output<typeof cacheSetting>;
export type CacheLayer = z.output<typeof cacheLayer>;
export type CacheTtl = z.output<typeof cacheTtl>;
export type ShedSetting = z.output<typeof shedSetting>;
export type ShedLayer = z.output<typeof shedLayer>;
export type ShedValues = typeof defaultShed;
export type DependencySetting = z.output<typeof dependencySetting>;
export type DependencyLayer = z.output<typeof dependencyLayer>;
export type CanarySetting = z.output<typeof canarySetting>;
export type CanaryTarget = z.output<typeof canaryTarget>;
export type CanaryStep = z.output<typeof canaryStep>;
export type CanaryTriggers = z.output<typeof canaryTriggers>;
export type FreezeSetting = z.output<typeof freezeSetting>;
export type FreezeLayer = z.output<typeof freezeLayer>;
export type ControlActor = z.output<typeof actor>;

export const defaultSettings: Settings = settingsSchema.parse({});

/** The names under which `feed.post.create` may be set, most exact first. */
export function pathOf(name: string): string[] {
  const path: string[] = [];
  for (let at = name; at !== ""; at = at.slice(0, Math.max(at.lastIndexOf("."), 0))) path.push(at);
  if (name !== "*") path.push("*");
  return path;
}

/** The value that holds at an instant, or undefined where all of them have expired. */
export function holding<Layer extends { expiresAt: string | null }>(
  setting: Layer & { afterwards: Layer[] },
  nowMs: number,
): Layer | undefined {
  if (!expired(setting, nowMs)) return setting;
  return setting.afterwards.find((layer) => !expired(layer, nowMs));
}

export const expired = ({ expiresAt }: { expiresAt: string | null }, nowMs: number): boolean =>
  expiresAt !== null && Date.parse(expiresAt) <= nowMs;

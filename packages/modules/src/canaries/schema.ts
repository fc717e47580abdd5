// What operators send and read about canaries. Pure, so that console forms use the same rules as the server.

import {
  canaryStates,
  canaryStep,
  canaryTarget,
  canaryTriggers,
  whyShape,
} from "@signalbox/control/settings";
import { z } from "zod";
import { ActorShape, AuditEvent, Changed, Confirmations, OperatorPage } from "../control/schema.ts";

const instant = z.iso.datetime({ offset: true });
const steps = z.array(canaryStep).min(1).max(20);
const templateName = z.enum(["quick", "usual", "careful"]);

const Ladder = {
  target: canaryTarget,
  steps: steps.optional().describe("weights in percent, rising, each with its time to bake"),
  template: templateName.optional().describe("a ladder of ours instead of `steps`"),
  triggers: canaryTriggers.optional(),
};
const oneLadder = ({ steps, template }: { steps?: unknown; template?: unknown }) =>
  (steps === undefined) !== (template === undefined);
const ladderFault = { path: ["steps"], message: "give either steps or the name of a template" };

export const PreviewCanary = z.object(Ladder).refine(oneLadder, ladderFault);
export const StartCanary = z
  .object({
    ...Ladder,
    ...whyShape,
    redraw: z.boolean().optional().describe("meet other callers than the last canary of the same thing did"),
  })
  .refine(oneLadder, ladderFault);
export type StartCanary = z.output<typeof StartCanary>;

const canaryId = z.string().max(100);
export const ByCanary = z.object({ id: canaryId });
export const ActOnCanary = z.object({ id: canaryId, ...whyShape });
export const ExtendCanary = ActOnCanary.extend({
  seconds: z
    .number()
    .int()
    .min(1)
    .max(7 * 86_400),
});
export const CanaryQuery = OperatorPage.extend({
  state: z.enum(canaryStates).optional(),
});

const EstimateStep = z.object({
  weight: z.number(),
  bakeSeconds: z.number(),
  /** Of the canary, at the traffic of this moment. */
  requestsPerSecond: z.number(),
  requestsNeeded: z.number().describe("of the canary's side, and of the stable side"),
  minutesNeeded: z.number().nullable().describe("null: never, at the traffic of this moment"),
  users: z.number().describe("accounts among which the canary's share is drawn"),
  seesErrors: z
    .number()
    .describe("the smallest share of errors that this many requests reveal nine times of ten"),
});
export const Estimate = z.object({
  at: z.string(),
  routes: z.array(z.string()),
  requestsPerSecond: z.number().nullable(),
  errorRate: z.number().nullable(),
  users: z.number(),
  steps: z.array(EstimateStep),
  minutes: z.number().nullable(),
  warnings: z.array(z.string()),
  /** Rules that forbid it at this moment. */
  broken: z.array(z.object({ field: z.string(), message: z.string() })),
});
export type Estimate = z.output<typeof Estimate>;

const Share = z.object({
  n: z.number(),
  x: z.number(),
  share: z.number().nullable(),
  low: z.number(),
  high: z.number(),
});
const SignalVerdict = z.object({
  name: z.string(),
  verdict: z.enum(["healthy", "regressed", "not_enough"]),
  why: z.string(),
  stable: Share,
  canary: Share,
  evidence: z.object({ now: z.number(), peak: z.number(), bar: z.number() }),
  thresholdMs: z.number().nullable(),
  step: z.object({ canary: z.number(), stable: z.number(), needed: z.number() }),
});
const Standing = z.object({
  at: z.string(),
  verdict: z.enum(["healthy", "regressed", "not_enough"]),
  why: z.string(),
  act: z.string(),
  catastrophe: z.boolean(),
  missingSince: z.string().nullable(),
  judge: z.string(),
  signals: z.array(SignalVerdict),
});

export const CanaryItem = z.object({
  id: z.string(),
  target: canaryTarget,
  name: z.string(),
  state: z.enum(canaryStates),
  step: z.number(),
  steps: z.array(canaryStep),
  weight: z.number(),
  triggers: canaryTriggers,
  purpose: z.string(),
  startedAt: z.string().nullable(),
  since: z.string().nullable(),
  /** At the earliest; null: it does not bake. */
  bakesUntil: z.string().nullable(),
  endedAt: z.string().nullable(),
  restorableUntil: z.string().nullable(),
  /** Whether callers still go by it. */
  inForce: z.boolean(),
  reason: z.string(),
  revision: z.number(),
  changedAt: z.string().nullable(),
  changedBy: ActorShape.nullable(),
  /** Null: nobody has judged it yet. */
  standing: Standing.nullable(),
  estimate: Estimate.nullable(),
  /** What a tester sends to meet the canary whatever its weight, and to be kept from it. */
  testers: z.object({ header: z.string(), cookie: z.string(), canary: z.string(), stable: z.string() }),
});
export type CanaryItem = z.output<typeof CanaryItem>;
export const CanaryList = z.object({
  items: z.array(CanaryItem),
  nextCursor: z.string().nullable(),
  /** The database is away: only those that callers go by, and nothing of what was judged. */
  partial: z.boolean(),
});
export const ChangedCanary = CanaryItem.extend(Changed.shape);

export const CanaryStory = CanaryItem.extend({
  partial: z.boolean(),
  ladder: z.array(canaryStep.extend({ beganAt: z.string().nullable(), endedAt: z.string().nullable() })),
  enforcement: z.object({
    known: z.boolean(),
    processes: z.array(
      z.object({
        instance: z.string(),
        name: z.string(),
        revision: z.number().nullable(),
        enforces: z.boolean(),
      }),
    ),
  }),
  decisions: z.array(
    z.object({
      id: z.string(),
      at: z.string(),
      act: z.string(),
      step: z.number(),
      verdict: z.string(),
      why: z.string(),
      revision: z.number().nullable(),
      confirmations: Confirmations.nullable(),
      evidence: z.unknown(),
      /** Judging the same evidence again gives the same verdict. */
      replays: z.boolean(),
    }),
  ),
  events: z.array(AuditEvent),
});
export type CanaryStory = z.output<typeof CanaryStory>;

export const CourseQuery = z.object({
  id: canaryId,
  signal: z.enum(["errors", "slow95", "slow99"]).default("errors"),
});
/** Each point says how both sides had fared from the canary's start until then. */
export const CanaryCourse = z.object({
  items: z.array(z.object({ at: z.string(), stable: Share, canary: Share })),
  nextCursor: z.null(),
});
export type CanaryCourse = z.output<typeof CanaryCourse>;

export const TemplateList = z.object({
  items: z.array(z.object({ name: templateName, steps: z.array(canaryStep) })),
  nextCursor: z.null(),
});

const freezeKey = z
  .string()
  .min(1)
  .max(100)
  .regex(/^[a-zA-Z][\w-]*$/, "must be a name such as weekend");
const wallTime = z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$/, "must look like 17:00");
const Weekly = z.object({
  days: z.array(z.number().int().min(1).max(7)).min(1).describe("1 is Monday"),
  from: wallTime,
  until: wallTime.describe("before `from`: on the next day"),
  timeZone: z.string().max(100),
});
export const FreezeItem = z.object({
  key: z.string(),
  from: z.string().nullable(),
  until: z.string().nullable(),
  weekly: Weekly.nullable(),
  holds: z.boolean(),
  reason: z.string(),
  revision: z.number(),
  changedAt: z.string().nullable(),
  changedBy: ActorShape.nullable(),
});
export type FreezeItem = z.output<typeof FreezeItem>;
export const FreezeList = z.object({ items: z.array(FreezeItem), nextCursor: z.string().nullable() });
export const SetFreeze = z
  .object({
    key: freezeKey,
    from: instant.nullable().optional(),
    until: instant.nullable().optional(),
    weekly: Weekly.nullable().optional(),
    ...whyShape,
  })
  .refine(({ from, until, weekly }) => Boolean(from ?? until ?? weekly), {
    path: ["from"],
    message: "say when: from, until or weekly",
  });
export const RemoveFreeze = z.object({ key: freezeKey, ...whyShape });

// What operators send and read about queues and dead letters.

import { whyShape } from "@signalbox/control/settings";
import { z } from "zod";
import { OperatorPage, SwitchState } from "../control/schema.ts";

export const QueueItem = z.object({
  key: z.string(),
  /** The switch that holds it: what is off waits, and loses nothing. */
  switchKey: z.string(),
  /** A consumer of events, or work that was asked for. */
  kind: z.enum(["consumer", "work"]),
  /** The jobs that it runs, by the names of their switches. */
  jobs: z.array(z.string()),
  state: SwitchState,
  /** Events before it; null where Redis is away, so that nobody knows. */
  depth: z.number().int().nullable(),
  oldestMs: z.number().nullable(),
  /** Of work: jobs under way, jobs that wait for their time, jobs that were given up, and how long the last ones took. */
  active: z.number().int().nullable(),
  delayed: z.number().int().nullable(),
  failed: z.number().int().nullable(),
  took: z.object({ p50Ms: z.number(), p95Ms: z.number() }).nullable(),
  deadLetters: z.number().int(),
  /** Events that wait behind a dead letter of their key. */
  parked: z.number().int(),
});
export const QueueList = z.object({ items: z.array(QueueItem), nextCursor: z.string().nullable() });

const letterId = z.string().regex(/^\d{1,18}$/, "must be the id of a dead letter");

export const DeadLetter = z.object({
  id: z.string(),
  /** The queue in which it failed. */
  queue: z.string(),
  topic: z.string(),
  key: z.string(),
  eventId: z.string(),
  error: z.string(),
  attempts: z.number().int(),
  failedAt: z.string(),
  /** A replay was asked for and has not ended yet. */
  replayRequestedAt: z.string().nullable(),
  /** Later events of the same key that wait behind it. */
  waiting: z.number().int(),
  requestId: z.string().nullable(),
  payload: z.unknown(),
});
export const DeadLetterQuery = OperatorPage.extend({
  queue: z.string().max(200).optional(),
  topic: z.string().max(200).optional(),
});
export const DeadLetterList = z.object({ items: z.array(DeadLetter), nextCursor: z.string().nullable() });

export const ByLetter = z.object({ id: letterId });
export const ForLetter = ByLetter.extend({ ...whyShape });
export const ReplayLetters = z
  .object({
    /** One queue's letters, or everyone's with `all`. */
    queue: z.string().max(200).optional(),
    all: z.literal(true).optional(),
    ...whyShape,
  })
  .refine(({ queue, all }) => (queue === undefined) !== (all === undefined), {
    error: "name either a queue or all",
    path: ["queue"],
  });
export const ForQueue = z.object({ key: z.string().max(200), ...whyShape });
export const ReplayAsked = z.object({ asked: z.number().int() });

export type QueueItem = z.infer<typeof QueueItem>;
export type DeadLetter = z.infer<typeof DeadLetter>;

// How a job is put to BullMQ, and what it then says of itself.

import type { Job } from "bullmq";
import { type Carried, type Carrier, isCarrier, type Outcome } from "./carrier.ts";
import type { AddOptions, Cause, JobInfo, QueueDefinition } from "./definition.ts";

export type AnyQueue = Omit<QueueDefinition, "schema">;

type Asked = { [Key in keyof AddOptions]: AddOptions[Key] | undefined } & {
  /** How often it was tried before it was a job of its own. */
  tried?: number;
};

export function jobOptions(
  { attempts, backoffMs, keptDone }: AnyQueue,
  { id, delayMs, priority, cause, tried }: Asked = {},
) {
  const along: Along = { ...cause, ...(tried === undefined ? {} : { tried }) };
  return {
    attempts,
    backoff: { type: "exponential", delay: backoffMs, jitter: 1 },
    removeOnComplete: keptDone === 0 ? true : { age: 3_600, count: keptDone },
    removeOnFail: { age: 14 * 86_400, count: 10_000 },
    ...(id === undefined ? {} : { jobId: id }),
    ...(delayMs === undefined ? {} : { delay: delayMs }),
    ...(priority === undefined ? {} : { priority }),
    // Where BullMQ itself keeps what goes along with a job and is none of its data.
    ...(cause || tried !== undefined ? { telemetry: { metadata: JSON.stringify(along) } } : {}),
  };
}

type Along = Partial<Cause> & Pick<Asked, "tried">;

/** Of one that leaves its carrier: as it would be, had it been a job of its own from the beginning. */
export function optionsAfter(
  definition: AnyQueue,
  { opts: { priority } }: Carrier,
  { id, cause }: Carried,
  outcome: Outcome,
) {
  const asked = { id, cause, priority };
  if (outcome.is === "waiting") return jobOptions(definition, { ...asked, delayMs: outcome.forMs });
  // It fails by itself at once, and is kept among the failed.
  if (outcome.is === "unfit") return jobOptions(definition, asked);
  const { attempts, backoffMs } = definition;
  return jobOptions(
    { ...definition, attempts: attempts - 1, backoffMs: 2 * backoffMs },
    { ...asked, delayMs: Math.floor(Math.random() * backoffMs), tried: 1 },
  );
}

/** Of the attempt that is under way. */
export function infoOf({ id, opts, attemptsMade }: Job): JobInfo {
  const metadata = opts.telemetry?.metadata;
  const { tried = 0, requestId, traceparent } = metadata ? (JSON.parse(metadata) as Along) : {};
  const cause = requestId !== undefined && traceparent !== undefined ? { requestId, traceparent } : undefined;
  return { id: id!, attempt: tried + attemptsMade + 1, cause };
}

export const nameOf = ({ id, attempt, cause }: JobInfo) => ({
  job: id,
  attempt,
  requestId: cause?.requestId,
  traceId: cause?.traceparent.slice(3, 35),
});

/** After an attempt. */
export function nameJob(job: Job) {
  const info = infoOf(job);
  const name = nameOf({ ...info, attempt: info.attempt - 1 });
  if (!isCarrier(job)) return name;
  const { carried } = job.data;
  return {
    ...name,
    carried: carried.length,
    requestIds: carried.flatMap(({ cause }) => cause?.requestId ?? []),
  };
}

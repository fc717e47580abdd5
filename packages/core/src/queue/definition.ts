// What a queue is, what may be said of a job, and what can be done with queues.

import type { z } from "zod";

export type QueueDefinition<Data = unknown> = {
  /** `<module>.<noun>.<verb>`, as in switches and logs. */
  name: string;
  schema: z.ZodType<Data>;
  /** Failures of its own after which a job is left among the failed ones. */
  attempts: number;
  backoffMs: number;
  /** Jobs of one process at the same time; those that were gathered count as one. */
  concurrency: number;
  /** Jobs of all processes together in a stretch of time, where what they ask takes no more. */
  flow?: { max: number; perMs: number };
  /** Of jobs that are done; 0 where what they say of people should not stay. */
  keptDone: number;
  /**
   * What is asked for within so long, with the same priority, goes through the queue together, where nobody waits for the moment:
   * it costs a fraction. Not with a flow, which counts one by one, and not where the first failure is the last.
   */
  gatherMs: number;
};

export function defineQueue<Data>(
  definition: Pick<QueueDefinition<Data>, "name" | "schema"> & Partial<QueueDefinition<Data>>,
): QueueDefinition<Data> {
  return { attempts: 8, backoffMs: 1_000, concurrency: 8, keptDone: 1_000, gatherMs: 0, ...definition };
}

/** The request that asked for a job. */
export type Cause = { requestId: string; traceparent: string };

export type AddOptions = {
  cause?: Cause;
  /** The same id is taken once while its job is kept; where jobs are gathered, once in one gathering. */
  id?: string;
  delayMs?: number;
  /** 1 goes first; without one a job goes before those that have one. */
  priority?: number;
};

/**
 * Counted are jobs, also those that travel together: exact while few wait, and where more than a thousand do, as the first thousand
 * have it. One that was taken out of company that waits is counted until they go.
 */
export type QueueDepth = {
  /** Ready to be worked on: waiting, prioritized, and delayed ones whose time has come. */
  ready: number;
  delayed: number;
  active: number;
  failed: number;
  /** Age of the one that has waited longest; 0 where there is none. */
  oldestMs: number;
  /** How long the last ones took, on whatever process; null where none has been done. */
  took: { p50Ms: number; p95Ms: number } | null;
};

/** `cause`: absent where no request asked for it, as on a schedule. */
export type JobInfo = { id: string; attempt: number; cause: Cause | undefined };

export type WorkOptions<Data> = {
  /** Whether an error says that a part is away: such a failure does not count. */
  isAway?: (error: unknown) => boolean;
  /** Of the whole queue: while it is so no job is taken from it, and all are kept. */
  isOff?: () => boolean;
  /** Of one job, asked before it: it waits while it is so. */
  waits?: (data: Data, id: string) => boolean;
};

export type Queues = {
  add<Data>(definition: QueueDefinition<Data>, data: Data, options?: AddOptions): Promise<string>;
  /** One schedule by this name on all instances, whoever asks for it. */
  repeat<Data>(definition: QueueDefinition<Data>, data: Data, everyMs: number): Promise<void>;
  work<Data>(
    definition: QueueDefinition<Data>,
    handle: (data: Data, job: JobInfo) => Promise<void>,
    options?: WorkOptions<Data>,
  ): void;
  depth(definition: Pick<QueueDefinition, "name">): Promise<QueueDepth>;
  /** Those that were given up are tried anew; answers how many. */
  retry(definition: Pick<QueueDefinition, "name">): Promise<number>;
  /** Takes away jobs that nobody works on, by what they are about; answers how many. */
  remove<Data>(definition: QueueDefinition<Data>, isMeant: (data: Data) => boolean): Promise<number>;
  /** Finishes what is under way, up to the limit; what is not finished then is done again by another. */
  close(limitMs?: number): Promise<void>;
};

// Work that is not an event: done once by anyone, later or with a priority, tried again when it fails. On BullMQ.

import { DelayedError, type Job, type JobType, Queue, UnrecoverableError, Worker } from "bullmq";
import type { z } from "zod";
import { atMost, fullJitter } from "./bus/backoff.ts";
import { isRedisAway } from "./bus/redis-faults.ts";
import { newId } from "./ids.ts";
import type { Logger } from "./log.ts";
import {
  type Carried,
  type Carrier,
  carrierName,
  countCarried,
  createGathering,
  isCarrier,
  newCarrierId,
  type Outcome,
  runCarrier,
  takeBackCarriers,
  takeOut,
  unfitReason,
} from "./queue-carrier.ts";
import { type AnyQueue, infoOf, jobOptions, nameJob, nameOf, optionsAfter } from "./queue-job.ts";
import { connectRedis, patient, type Redis } from "./redis.ts";

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

export type Queues = {
  add<Data>(definition: QueueDefinition<Data>, data: Data, options?: AddOptions): Promise<string>;
  /** One schedule by this name on all instances, whoever asks for it. */
  repeat<Data>(definition: QueueDefinition<Data>, data: Data, everyMs: number): Promise<void>;
  work<Data>(
    definition: QueueDefinition<Data>,
    handle: (data: Data, job: JobInfo) => Promise<void>,
    options?: {
      /** Whether an error says that a part is away: such a failure does not count. */
      isAway?: (error: unknown) => boolean;
      /** Of the whole queue: while it is so no job is taken from it, and all are kept. */
      isOff?: () => boolean;
      /** Of one job, asked before it: it waits while it is so. */
      waits?: (data: Data, id: string) => boolean;
    },
  ): void;
  depth(definition: Pick<QueueDefinition, "name">): Promise<QueueDepth>;
  /** Those that were given up are tried anew; answers how many. */
  retry(definition: Pick<QueueDefinition, "name">): Promise<number>;
  /** Takes away jobs that nobody works on, by what they are about; answers how many. */
  remove<Data>(definition: QueueDefinition<Data>, isMeant: (data: Data) => boolean): Promise<number>;
  /** Finishes what is under way, up to the limit; what is not finished then is done again by another. */
  close(limitMs?: number): Promise<void>;
};

/** Of so many that were done last it is known how long they took. */
const keptTimes = 200;
const tellTimesMs = 500;
/** So many are looked at to count the rest: depth is asked every few seconds, and queues grow long. */
const mostLookedAt = 1_000;
/** How soon a worker goes by a switch. */
const lookMs = 200;
const waitMs = 1_000;
const takeBackMs = 10_000;
const failedOnce = "a job failed; it is tried again";
const awayBackoff = { baseMs: 250, limitMs: 10_000 };

export function createQueues(options: {
  url: string;
  log: Logger;
  prefix?: string;
  /** How long a job belongs to a process that says nothing any more. */
  lockMs?: number;
}): Queues {
  const { url, log, prefix = "queue", lockMs = 15_000 } = options;
  const connections: Redis[] = [];
  const queues = new Map<string, Queue>();
  const workers: Worker[] = [];
  const looking: NodeJS.Timeout[] = [];
  /** Of each carrier that is being worked on. */
  const keeping = new Set<() => Promise<void>>();

  const connect = (isBlocking: boolean) => {
    const redis = connectRedis(url, {
      ...(isBlocking ? patient : {}),
      onError: (error) => log.debug({ error }, "queues: redis is away"),
    });
    connections.push(redis);
    return redis;
  };
  let forQueues: Redis | undefined;
  const plain = (): Redis => {
    forQueues ??= connect(false);
    return forQueues;
  };
  // The hash tag keeps all keys of a queue together, and queues apart.
  const prefixOf = (name: string) => `{${prefix}:${name}}`;

  function queueOf({ name }: Pick<QueueDefinition, "name">): Queue {
    let queue = queues.get(name);
    if (!queue) {
      queue = new Queue(name, { connection: plain(), prefix: prefixOf(name) });
      queue.on("error", (error) => log.debug({ error, queue: name }, "a queue met an error"));
      queues.set(name, queue);
    }
    return queue;
  }

  const timesKey = (name: string) => `${prefixOf(name)}:took`;
  // Told together, now and then: for a job that is short it would cost more than the job.
  const times = new Map<string, number[]>();
  let telling: NodeJS.Timeout | undefined;
  function noteTime(name: string, ms: number): void {
    const noted = times.get(name) ?? [];
    times.set(name, noted);
    noted.push(Math.round(ms));
    telling ??= setTimeout(() => void tellTimes(), tellTimesMs).unref();
  }
  async function tellTimes(): Promise<void> {
    clearTimeout(telling);
    telling = undefined;
    const told = [...times].map(([name, noted]) =>
      plain()
        .pipeline()
        .lpush(timesKey(name), ...noted.slice(-keptTimes))
        .ltrim(timesKey(name), 0, keptTimes - 1)
        .exec()
        .catch(() => {}),
    );
    times.clear();
    await Promise.all(told);
  }

  const gathering = createGathering<{ definition: AnyQueue; priority: number | undefined }>(
    ({ terms: { definition, priority }, carried }) => {
      const [first] = carried;
      if (carried.length === 1)
        return queueOf(definition).add(
          definition.name,
          first!.data,
          jobOptions(definition, { ...first!, priority }),
        );
      const id = newCarrierId(carried.length);
      return queueOf(definition).add(carrierName, { carried }, jobOptions(definition, { id, priority }));
    },
  );

  return {
    async add(definition, data, { id, delayMs, priority, cause } = {}) {
      const { name, schema, gatherMs, attempts, flow } = definition;
      const parsed = schema.parse(data);
      if (gatherMs > 0 && delayMs === undefined && attempts > 1 && !flow) {
        const one = { id: id ?? newId(), data: parsed, ...(cause ? { cause } : {}) };
        await gathering.ask(`${name} ${priority}`, { definition, priority }, one, gatherMs);
        return one.id;
      }
      const opts = jobOptions(definition, { id, delayMs, priority, cause });
      return (await queueOf(definition).add(name, parsed, opts)).id!;
    },

    async repeat(definition, data, everyMs) {
      await queueOf(definition).upsertJobScheduler(
        definition.name,
        { every: everyMs },
        {
          name: definition.name,
          data: definition.schema.parse(data),
          opts: jobOptions(definition),
        },
      );
    },

    work(definition, handle, { isAway, isOff = () => false, waits } = {}) {
      const { name, schema, concurrency, flow } = definition;
      const isPartAway = (error: unknown) => isRedisAway(error) || (isAway?.(error) ?? false);

      async function later(job: Job, token: string | undefined, waitMs: number): Promise<never> {
        await job.moveToDelayed(Date.now() + waitMs, token);
        throw new DelayedError();
      }

      /** `away`: how often a part was away before. */
      async function run(given: unknown, info: JobInfo, away: number): Promise<Outcome> {
        const parsed = schema.safeParse(given);
        if (!parsed.success)
          return {
            is: "unfit",
            error: new UnrecoverableError(`${unfitReason}: ${parsed.error.message}`),
          };
        const from = performance.now();
        try {
          if (waits?.(parsed.data, info.id)) return { is: "waiting", forMs: waitMs };
          await handle(parsed.data, info);
          noteTime(name, performance.now() - from);
          return { is: "done" };
        } catch (error) {
          if (!isPartAway(error)) return { is: "failed", error };
          log.debug({ error, queue: name, ...nameOf(info) }, "a part is away; the job waits");
          return { is: "waiting", forMs: fullJitter(away, awayBackoff) + 100 };
        }
      }

      /** Those that are left when all were tried go on by themselves, each as it fared. */
      async function runTogether(carrier: Carrier, token: string | undefined): Promise<void> {
        const { carried } = carrier.data;
        const away = carrier.attemptsStarted - carrier.attemptsMade;
        const { result, keep } = runCarrier(carrier, (one) => run(one.data, firstTry(one), away));
        keeping.add(keep);
        try {
          const left = await result;
          const waiting = left.flatMap(({ outcome }) => (outcome.is === "waiting" ? outcome.forMs : []));
          // All of them alike: they may as well wait together.
          if (waiting.length === carried.length) await later(carrier, token, Math.max(...waiting));
          if (left.length === 0) return;
          for (const { one, outcome } of left)
            if (outcome.is === "failed")
              log.warn({ error: outcome.error, queue: name, ...nameOf(firstTry(one)) }, failedOnce);
          // First this: where what follows fails, the carrier comes again, and those that are done are not in it.
          await keep();
          await queueOf(definition).addBulk(
            left.map(({ one, outcome }) => ({
              name,
              data: one.data,
              opts: optionsAfter(definition, carrier, one, outcome),
            })),
          );
        } finally {
          keeping.delete(keep);
        }
      }

      const worker = new Worker(
        name,
        async (job, token) => {
          // One that was on its way when its queue was switched off goes back.
          if (isOff()) await later(job, token, waitMs);
          if (isCarrier(job)) return runTogether(job, token);
          const outcome = await run(job.data, infoOf(job), job.attemptsStarted - job.attemptsMade);
          if (outcome.is === "waiting") await later(job, token, outcome.forMs);
          else if (outcome.is !== "done") throw outcome.error;
        },
        {
          connection: connect(true),
          prefix: prefixOf(name),
          concurrency,
          // A process that dies leaves its jobs stalled; that is no fault of theirs.
          maxStalledCount: 10,
          stalledInterval: lockMs / 3,
          lockDuration: lockMs,
          ...(flow ? { limiter: { max: flow.max, duration: flow.perMs } } : {}),
        },
      );
      worker.on("error", (error) => log.debug({ error, queue: name }, "a worker met an error"));
      worker.on("failed", (job, error) => {
        const line = { error, queue: name, ...(job && nameJob(job)) };
        if (job && job.attemptsMade < (job.opts.attempts ?? 1)) log.warn(line, failedOnce);
        else log.error(line, "a job failed for good");
      });
      workers.push(worker);
      const look = () => {
        if (isOff() === worker.isPaused()) return;
        if (worker.isPaused()) log.info({ queue: name }, "a queue is switched on; its jobs go on");
        else log.warn({ queue: name }, "a queue is switched off; its jobs wait");
        (worker.isPaused() ? worker.resume() : worker.pause(true)).catch((error) =>
          log.debug({ error, queue: name }, "a worker could not be paused or resumed; it is tried again"),
        );
      };
      look();
      looking.push(setInterval(look, lookMs));
      if (definition.gatherMs > 0) {
        const takeBack = () =>
          takeBackCarriers(queueOf(definition)).catch((error) =>
            log.debug({ error, queue: name }, "what was given up could not be looked at; it is tried again"),
          );
        void takeBack();
        looking.push(setInterval(takeBack, takeBackMs));
      }
    },

    async depth(definition) {
      const queue = queueOf(definition);
      await tellTimes();
      const {
        waiting = 0,
        prioritized = 0,
        active = 0,
        failed = 0,
        delayed = 0,
      } = await queue.getJobCounts("waiting", "prioritized", "active", "failed", "delayed");
      const now = Date.now();
      // Delayed jobs are sorted by the instant at which they are due.
      const soon = delayed > 0 ? await queue.getDelayed(0, mostLookedAt - 1) : [];
      const dueOf = soon.filter(({ timestamp, delay }) => timestamp + delay <= now);
      const due = delayed <= mostLookedAt ? countCarried(idsOf(dueOf)) : 0;
      const allDelayed = scaled(idsOf(soon), delayed);
      const [longest] = await queue.getJobs(["waiting", "prioritized"], 0, 0, true);
      const times = (await plain().lrange(timesKey(definition.name), 0, -1))
        .map(Number)
        .sort((a, b) => a - b);
      const atRank = (share: number) => times[Math.ceil(times.length * share) - 1]!;
      return {
        ready:
          (await countIn(queue, "waiting", waiting)) +
          (await countIn(queue, "prioritized", prioritized)) +
          due,
        delayed: allDelayed - due,
        active: await countIn(queue, "active", active),
        failed: await countIn(queue, "failed", failed),
        oldestMs: longest ? Math.max(0, now - longest.timestamp - longest.delay) : 0,
        took: times.length > 0 ? { p50Ms: atRank(0.5), p95Ms: atRank(0.95) } : null,
      };
    },

    async retry(definition) {
      const queue = queueOf(definition);
      const { failed = 0 } = await queue.getJobCounts("failed");
      const asked = await countIn(queue, "failed", failed);
      if (failed > 0) await queue.retryJobs({ state: "failed" });
      return asked;
    },

    async remove(definition, isMeant) {
      const queue = queueOf(definition);
      const jobs = await queue.getJobs(["failed", "waiting", "prioritized", "delayed"]);
      const isMeantHere = (data: unknown) => {
        const parsed = definition.schema.safeParse(data);
        return parsed.success && isMeant(parsed.data);
      };
      // One that somebody took up in this moment is done, and then it is gone too.
      const removed = await Promise.all(
        jobs.map(async (job) => {
          try {
            if (isCarrier(job))
              return await takeOut(
                job,
                () => queue.getJob(job.id!) as Promise<Carrier | undefined>,
                isMeantHere,
              );
            if (!isMeantHere(job.data)) return 0;
            await job.remove();
            return 1;
          } catch {
            return 0;
          }
        }),
      );
      return removed.reduce((sum, one) => sum + one, 0);
    },

    async close(limitMs = 8_000) {
      for (const timer of looking) clearInterval(timer);
      await Promise.all(
        workers.map(async (worker) => {
          const isDone = await atMost(limitMs, worker.close()).catch(() => false);
          // What is done of a carrier is not done again with the rest. BullMQ itself waits for its handlers, whatever it is told
          // now; once its connections are gone their locks run out, and others take the jobs.
          if (!isDone) await atMost(500, Promise.allSettled([...keeping].map((keep) => keep())));
        }),
      );
      await atMost(1_000, Promise.allSettled([gathering.flush(), tellTimes()]));
      await Promise.all([...queues.values()].map((queue) => queue.close().catch(() => {})));
      for (const connection of connections) connection.disconnect();
    },
  };
}

const firstTry = ({ id, cause }: Carried): JobInfo => ({ id, cause, attempt: 1 });

/** Exact as far as one looks; beyond it those that are seen speak for the rest. */
async function countIn(queue: Queue, state: JobType, jobs: number): Promise<number> {
  return jobs === 0 ? 0 : scaled(await queue.getRanges([state], 0, mostLookedAt - 1), jobs);
}

const scaled = (ids: string[], jobs: number): number =>
  Math.round(countCarried(ids) * (ids.length < mostLookedAt ? 1 : jobs / ids.length));

const idsOf = (jobs: Job[]) => jobs.map(({ id }) => id!);

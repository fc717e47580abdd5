// Work that is not an event: done once by anyone, later or with a priority, tried again when it fails. On BullMQ.

import { DelayedError, type Job, Queue, UnrecoverableError, Worker } from "bullmq";
import type { z } from "zod";
import { atMost, fullJitter } from "./bus/backoff.ts";
import { isRedisAway } from "./bus/redis-faults.ts";
import type { Logger } from "./log.ts";
import { connectRedis, patient, type Redis } from "./redis.ts";

export type QueueDefinition<Data = unknown> = {
  /** `<module>.<noun>.<verb>`, as in switches and logs. */
  name: string;
  schema: z.ZodType<Data>;
  /** Failures of its own after which a job is left among the failed ones. */
  attempts: number;
  backoffMs: number;
  /** Jobs of one process at the same time. */
  concurrency: number;
  /** Jobs of all processes together in a stretch of time, where what they ask takes no more. */
  flow?: { max: number; perMs: number };
  /** Of jobs that are done; 0 where what they say of people should not stay. */
  keptDone: number;
  /** What is asked for within so long goes on the queue together, where nobody waits for the moment: it costs half as much. */
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
  /** The same id is taken once while its job is kept. */
  id?: string;
  delayMs?: number;
  /** 1 goes first; without one a job goes before those that have one. */
  priority?: number;
};

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
const mostTogether = 64;
/** How soon a worker goes by a switch. */
const lookMs = 200;
const waitMs = 1_000;
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

  type Asked = Parameters<Queue["addBulk"]>[0][number];
  const gathered = new Map<string, { asked: Asked; settle: PromiseWithResolvers<Job> }[]>();

  function addTogether({ name, gatherMs }: Pick<QueueDefinition, "name" | "gatherMs">, asked: Asked) {
    const settle = Promise.withResolvers<Job>();
    const waiting = gathered.get(name);
    if (waiting) {
      waiting.push({ asked, settle });
      if (waiting.length >= mostTogether) addGathered(name);
    } else {
      gathered.set(name, [{ asked, settle }]);
      setTimeout(() => addGathered(name), gatherMs);
    }
    return settle.promise;
  }

  function addGathered(name: string): void {
    const waiting = gathered.get(name) ?? [];
    gathered.delete(name);
    if (waiting.length === 0) return;
    queueOf({ name })
      .addBulk(waiting.map(({ asked }) => asked))
      .then(
        (jobs) => {
          for (const [at, { settle }] of waiting.entries()) settle.resolve(jobs[at]!);
        },
        (error) => {
          for (const { settle } of waiting) settle.reject(error);
        },
      );
  }

  const jobOptions = ({ attempts, backoffMs, keptDone }: QueueDefinition<never>) => ({
    attempts,
    backoff: { type: "exponential", delay: backoffMs, jitter: 1 },
    removeOnComplete: keptDone === 0 ? true : { age: 3_600, count: keptDone },
    removeOnFail: { age: 14 * 86_400, count: 10_000 },
  });

  return {
    async add(definition, data, { id, delayMs, priority, cause } = {}) {
      const { name, schema, gatherMs } = definition;
      const opts = {
        ...jobOptions(definition as QueueDefinition<never>),
        ...(id === undefined ? {} : { jobId: id }),
        ...(delayMs === undefined ? {} : { delay: delayMs }),
        ...(priority === undefined ? {} : { priority }),
        // Where BullMQ itself keeps what goes along with a job and is none of its data.
        ...(cause === undefined ? {} : { telemetry: { metadata: JSON.stringify(cause) } }),
      };
      const asked = { name, data: schema.parse(data), opts };
      const job = await (gatherMs > 0
        ? addTogether(definition, asked)
        : queueOf(definition).add(name, asked.data, opts));
      return job.id!;
    },

    async repeat(definition, data, everyMs) {
      await queueOf(definition).upsertJobScheduler(
        definition.name,
        { every: everyMs },
        {
          name: definition.name,
          data: definition.schema.parse(data),
          opts: jobOptions(definition as QueueDefinition<never>),
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

      const worker = new Worker(
        name,
        async (job, token) => {
          // One that was on its way when its queue was switched off goes back.
          if (isOff()) await later(job, token, waitMs);
          const parsed = schema.safeParse(job.data);
          if (!parsed.success)
            throw new UnrecoverableError(`its data is not as defined: ${parsed.error.message}`);
          if (waits?.(parsed.data, job.id!)) await later(job, token, waitMs);
          const from = performance.now();
          try {
            await handle(parsed.data, { id: job.id!, attempt: job.attemptsMade + 1, cause: causeOf(job) });
            noteTime(name, performance.now() - from);
          } catch (error) {
            if (!isPartAway(error)) throw error;
            log.debug({ error, ...nameJob(job) }, "a part is away; the job waits");
            await later(job, token, fullJitter(job.attemptsStarted - job.attemptsMade, awayBackoff) + 100);
          }
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
        if (job && job.attemptsMade < (job.opts.attempts ?? 1))
          log.warn(line, "a job failed; it is tried again");
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
      const later = (await queue.getDelayed(0, 999)).filter(
        ({ timestamp, delay }) => timestamp + delay > now,
      );
      const due = delayed <= 1_000 ? delayed - later.length : 0;
      const [longest] = await queue.getJobs(["waiting", "prioritized"], 0, 0, true);
      const times = (await plain().lrange(timesKey(definition.name), 0, -1))
        .map(Number)
        .sort((a, b) => a - b);
      const atRank = (share: number) => times[Math.ceil(times.length * share) - 1]!;
      return {
        ready: waiting + prioritized + due,
        delayed: delayed - due,
        active,
        failed,
        oldestMs: longest ? Math.max(0, now - longest.timestamp - longest.delay) : 0,
        took: times.length > 0 ? { p50Ms: atRank(0.5), p95Ms: atRank(0.95) } : null,
      };
    },

    async retry(definition) {
      const queue = queueOf(definition);
      const { failed = 0 } = await queue.getJobCounts("failed");
      if (failed > 0) await queue.retryJobs({ state: "failed" });
      return failed;
    },

    async remove(definition, isMeant) {
      const jobs = await queueOf(definition).getJobs(["failed", "waiting", "prioritized", "delayed"]);
      const meant = jobs.filter((job) => {
        const parsed = definition.schema.safeParse(job?.data);
        return parsed.success && isMeant(parsed.data);
      });
      // One that somebody took up in this moment is done, and then it is gone too.
      const removed = await Promise.all(
        meant.map((job) =>
          job.remove().then(
            () => 1,
            () => 0,
          ),
        ),
      );
      return removed.reduce<number>((sum, one) => sum + one, 0);
    },

    async close(limitMs = 8_000) {
      for (const timer of looking) clearInterval(timer);
      await Promise.all(
        workers.map(async (worker) => {
          const isDone = await atMost(limitMs, worker.close()).catch(() => false);
          if (!isDone) await worker.close(true).catch(() => {});
        }),
      );
      const asked = [...gathered.values()].flat().map(({ settle }) => settle.promise);
      for (const name of gathered.keys()) addGathered(name);
      await atMost(1_000, Promise.allSettled([...asked, tellTimes()]));
      await Promise.all([...queues.values()].map((queue) => queue.close().catch(() => {})));
      for (const connection of connections) connection.disconnect();
    },
  };
}

function causeOf({ opts }: Job): Cause | undefined {
  const metadata = opts.telemetry?.metadata;
  return metadata === undefined ? undefined : (JSON.parse(metadata) as Cause);
}

const nameJob = (job: Job) => ({
  queue: job.queueName,
  job: job.id,
  attempt: job.attemptsMade,
  requestId: causeOf(job)?.requestId,
  traceId: causeOf(job)?.traceparent.slice(3, 35),
});

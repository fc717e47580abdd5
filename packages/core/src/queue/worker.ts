// Takes jobs from one queue and does them, while the queue is on. Those that travel together are tried side by side.

import { DelayedError, type Job, type Queue, UnrecoverableError, Worker } from "bullmq";
import { atMost, fullJitter } from "../bus/backoff.ts";
import { isRedisAway } from "../bus/redis-faults.ts";
import type { Logger } from "../log.ts";
import type { Redis } from "../redis.ts";
import {
  type Carried,
  type Carrier,
  isCarrier,
  type Outcome,
  runCarrier,
  takeBackCarriers,
  unfitReason,
} from "./carrier.ts";
import type { JobInfo, QueueDefinition, WorkOptions } from "./definition.ts";
import { infoOf, nameJob, nameOf, optionsAfter } from "./job.ts";

/** How soon a worker goes by a switch. */
const lookMs = 200;
const waitMs = 1_000;
const takeBackMs = 10_000;
const failedOnce = "a job failed; it is tried again";
const awayBackoff = { baseMs: 250, limitMs: 10_000 };

export function startWorker<Data>({
  queue,
  definition,
  handle,
  options: { isAway, isOff = () => false, waits },
  log,
  connection,
  prefix,
  lockMs,
  noteTime,
}: {
  queue(): Queue;
  definition: QueueDefinition<Data>;
  handle: (data: Data, job: JobInfo) => Promise<void>;
  options: WorkOptions<Data>;
  log: Logger;
  /** Of its own, as it waits there for jobs. */
  connection: Redis;
  prefix: string;
  lockMs: number;
  noteTime(ms: number): void;
}) {
  const { name, schema, concurrency, flow } = definition;
  /** Of each carrier that is being worked on. */
  const keeping = new Set<() => Promise<void>>();
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
      noteTime(performance.now() - from);
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
      await queue().addBulk(
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
      connection,
      prefix,
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
  const look = () => {
    if (isOff() === worker.isPaused()) return;
    if (worker.isPaused()) log.info({ queue: name }, "a queue is switched on; its jobs go on");
    else log.warn({ queue: name }, "a queue is switched off; its jobs wait");
    (worker.isPaused() ? worker.resume() : worker.pause(true)).catch((error) =>
      log.debug({ error, queue: name }, "a worker could not be paused or resumed; it is tried again"),
    );
  };
  look();
  const timers = [setInterval(look, lookMs)];
  if (definition.gatherMs > 0) {
    const takeBack = () =>
      takeBackCarriers(queue()).catch((error) =>
        log.debug({ error, queue: name }, "what was given up could not be looked at; it is tried again"),
      );
    void takeBack();
    timers.push(setInterval(takeBack, takeBackMs));
  }

  return {
    /** Finishes what is under way, up to the limit. */
    async close(limitMs: number): Promise<void> {
      for (const timer of timers) clearInterval(timer);
      const isDone = await atMost(limitMs, worker.close()).catch(() => false);
      // What is done of a carrier is not done again with the rest. BullMQ itself waits for its handlers, whatever it is told now;
      // once its connections are gone their locks run out, and others take the jobs.
      if (!isDone) await atMost(500, Promise.allSettled([...keeping].map((keep) => keep())));
    },
  };
}

const firstTry = ({ id, cause }: Carried): JobInfo => ({ id, cause, attempt: 1 });

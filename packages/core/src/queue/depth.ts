// How much waits in a queue. Jobs are counted, also those that travel together.

import type { Job, JobType, Queue } from "bullmq";
import { countCarried } from "./carrier.ts";
import type { QueueDepth } from "./definition.ts";

/** So many are looked at to count the rest: depth is asked every few seconds, and queues grow long. */
const mostLookedAt = 1_000;

export async function depthOf(queue: Queue): Promise<Omit<QueueDepth, "took">> {
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
  const [longest] = await queue.getJobs(["waiting", "prioritized"], 0, 0, true);
  return {
    ready:
      (await countIn(queue, "waiting", waiting)) + (await countIn(queue, "prioritized", prioritized)) + due,
    delayed: scaled(idsOf(soon), delayed) - due,
    active: await countIn(queue, "active", active),
    failed: await countIn(queue, "failed", failed),
    oldestMs: longest ? Math.max(0, now - longest.timestamp - longest.delay) : 0,
  };
}

/** Exact as far as one looks; beyond it those that are seen speak for the rest. */
export async function countIn(queue: Queue, state: JobType, jobs: number): Promise<number> {
  return jobs === 0 ? 0 : scaled(await queue.getRanges([state], 0, mostLookedAt - 1), jobs);
}

const scaled = (ids: string[], jobs: number): number =>
  Math.round(countCarried(ids) * (ids.length < mostLookedAt ? 1 : jobs / ids.length));

const idsOf = (jobs: Job[]) => jobs.map(({ id }) => id!);

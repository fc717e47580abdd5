// A carrier: one job of BullMQ for several that were asked for in one moment. What it costs to put a job on a queue, to take it and
// to finish it is paid once for all of them; each keeps its id, its cause and its own outcome. What is not done at the first try
// leaves the carrier and goes on as a job of its own, so that none waits, fails or is given up for the sake of its company.

import type { Job, Queue } from "bullmq";
import { newId } from "../ids.ts";
import type { Cause } from "./definition.ts";

export type Carried = { id: string; data: unknown; cause?: Cause };
export type Carrier = Job<{ carried: Carried[] }>;

/** Few: where a process is killed, some of those that were done are done again with the rest. */
export const mostCarried = 16;

/** BullMQ's name of the job; others bear the name of their queue, which has dots. */
export const carrierName = "carrier";

export const isCarrier = (job: Job): job is Carrier => job.name === carrierName;

/** Says how many set out with it, so that they are counted by ids alone: queues grow long, and what a job is about is long. */
export const newCarrierId = (carried: number): string => `${carrierName}-${carried}-${newId()}`;

export function countCarried(ids: string[]): number {
  let count = 0;
  for (const id of ids) count += Number(/^carrier-(\d+)-/.exec(id)?.[1] ?? 1);
  return count;
}

/** What a job fails with that can never be done. */
export const unfitReason = "its data is not as defined";

/**
 * 0.1.0 knows no carriers: while an install is rolled, a worker of that release gives up one that it takes. This release never gives
 * one up for that reason, and tries it anew.
 */
export async function takeBackCarriers(queue: Queue): Promise<void> {
  const newest = await queue.getRanges(["failed"], 0, 99);
  for (const id of newest.filter((id) => id.startsWith(`${carrierName}-`))) {
    const job = await queue.getJob(id);
    // Another worker may have been first.
    if (job?.failedReason?.startsWith(unfitReason)) await job.retry("failed").catch(() => {});
  }
}

type Gathered<Terms> = { terms: Terms; carried: Carried[] };

/** Gathers what is asked for on the same terms, for so long or until a carrier is full; `add` then puts it on its queue. */
export function createGathering<Terms>(add: (gathered: Gathered<Terms>) => Promise<unknown>) {
  type Waiting = { terms: Terms; byId: Map<string, Carried>; timer: NodeJS.Timeout } & ReturnType<
    typeof Promise.withResolvers<unknown>
  >;
  const open = new Map<string, Waiting>();

  function send(key: string): void {
    const { terms, byId, timer, resolve, reject } = open.get(key)!;
    open.delete(key);
    clearTimeout(timer);
    add({ terms, carried: [...byId.values()] }).then(resolve, reject);
  }

  return {
    /** `key`: the terms as a text. Resolves once it is on the queue; the same id is taken once. */
    async ask(key: string, terms: Terms, one: Carried, gatherMs: number): Promise<void> {
      let waiting = open.get(key);
      if (!waiting) {
        const timer = setTimeout(() => send(key), gatherMs);
        waiting = { terms, byId: new Map(), timer, ...Promise.withResolvers<unknown>() };
        open.set(key, waiting);
      }
      const { byId, promise } = waiting;
      if (!byId.has(one.id)) byId.set(one.id, one);
      if (byId.size >= mostCarried) send(key);
      await promise;
    },

    /** Sends what is gathered; resolves once all of it is on its queue, or refused. */
    async flush(): Promise<void> {
      const asked = [...open.values()].map(({ promise }) => promise);
      for (const key of [...open.keys()]) send(key);
      await Promise.allSettled(asked);
    },
  };
}

/** What happened to one that was tried. */
export type Outcome =
  | { is: "done" }
  /** For now; it costs none of its attempts. */
  | { is: "waiting"; forMs: number }
  | { is: "failed"; error: unknown }
  /** It can never be done. */
  | { is: "unfit"; error: Error };

const keepEveryMs = 1_000;

/**
 * Tries all of a carrier side by side and answers those that are not done, with why. Every second, and where `keep` is called,
 * Redis is told which are left: whoever takes the carrier after a kill does those again, and not the ones done before.
 */
export function runCarrier(carrier: Carrier, run: (one: Carried) => Promise<Outcome>) {
  const left = new Set(carrier.data.carried);
  let kept = left.size;

  async function keep(): Promise<void> {
    const now = left.size;
    if (kept === now) return;
    await carrier.updateData({ carried: [...left] });
    kept = now;
  }

  async function runAll() {
    const timer = setInterval(() => void keep().catch(() => {}), keepEveryMs);
    try {
      const outcomes = await Promise.all(
        [...left].map(async (one) => {
          const outcome = await run(one);
          if (outcome.is === "done") left.delete(one);
          return { one, outcome };
        }),
      );
      return outcomes.filter(({ outcome }) => outcome.is !== "done");
    } finally {
      clearInterval(timer);
    }
  }

  return { result: runAll(), keep };
}

/** Takes out of a carrier that nobody works on; answers how many. Asks again until it is so: others may take out theirs. */
export async function takeOut(
  found: Carrier,
  again: () => Promise<Carrier | undefined>,
  isMeant: (data: unknown) => boolean,
): Promise<number> {
  let taken = 0;
  for (let carrier: Carrier | undefined = found; carrier; carrier = await again()) {
    const { carried } = carrier.data;
    const rest = carried.filter(({ data }) => !isMeant(data));
    if (rest.length === carried.length) break;
    taken = carried.length - rest.length;
    if (rest.length === 0) {
      await carrier.remove();
      break;
    }
    await carrier.updateData({ carried: rest });
  }
  return taken > 0 && (await found.isActive()) ? 0 : taken;
}

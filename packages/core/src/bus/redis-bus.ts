// The bus on Redis Streams. Positions are ours, not a consumer group's: a worker that was stopped for a while and wakes up
// late can then take nothing away from its successor, and what it still wants to say about its position is refused.

import { hostname } from "node:os";
import type { Logger } from "../log.ts";
import type { Redis } from "../redis.ts";
import { fullJitter, pause } from "./backoff.ts";
import type { Bus, BusStore } from "./bus.ts";
import { type Link, link } from "./connection.ts";
import type { Subscription } from "./holding.ts";
import { busKeys, defaultPartitions } from "./keys.ts";
import { readLag } from "./lag.ts";
import { canaryMark } from "./leases.ts";
import { isRedisAway } from "./redis-faults.ts";
import { rewindPartition } from "./rewind.ts";
import { openSession, type Session } from "./session.ts";

export type RedisBusOptions = {
  url: string;
  log: Logger;
  store: BusStore;
  /** Unique among live workers. */
  worker?: string;
  prefix?: string;
  partitions?: number;
  /** Whether this process runs the release that a canary is about. */
  track?: "stable" | "canary";
  /** Of a group's partitions, how many workers of the canary track take, and the order in which they do. */
  canaryOf?: (group: string) => { share: number; rank: (partition: number) => number } | undefined;
};

export function createRedisBus(options: RedisBusOptions): Bus {
  const { url, log, store, partitions = defaultPartitions } = options;
  const name = options.worker ?? `${hostname()}-${process.pid}-${Math.random().toString(36).slice(2, 8)}`;
  const worker = options.track === "canary" ? name + canaryMark : name;
  const keys = busKeys(options.prefix);
  const subscriptions = new Map<string, Subscription>();
  const stop = new AbortController();
  let session: Session | undefined;
  let running: Promise<void> | undefined;
  let asking: Promise<Link> | undefined;
  // Handlers that still ran when their partition was let go: whoever takes it up in this process waits for them.
  const lingering = new Map<string, Promise<void>>();

  async function run() {
    for (let attempt = 0; !stop.signal.aborted; attempt++) {
      const began = Date.now();
      try {
        session = await openSession({
          url,
          log,
          store,
          partitions,
          worker,
          keys,
          subscriptions,
          lingering,
          isCanary: (group, partition) => {
            const canary = options.canaryOf?.(group);
            return canary !== undefined && isAmong(canary, partition, partitions);
          },
        });
        await session.over;
      } catch (error) {
        if (!stop.signal.aborted) log.warn({ error }, "the bus lost Redis; connecting again");
      } finally {
        await session?.abandon();
        session = undefined;
      }
      if (Date.now() - began > 10_000) attempt = 0;
      await pause(50 + fullJitter(attempt, { baseMs: 50, limitMs: 1_000 }), stop.signal);
    }
  }

  /** A connection for questions, kept between them. */
  async function ask<T>(question: (redis: Redis) => Promise<T>): Promise<T> {
    const current = await asking?.catch(() => undefined);
    if (!current || current.isBroken()) asking = link(url, { name: "signalbox bus questions" });
    return question((await asking!).redis);
  }

  const everyPartition = <T>(work: (partition: number) => Promise<T>): Promise<T[]> =>
    Promise.all(Array.from({ length: partitions }, (_, partition) => work(partition)));

  return {
    consume(group, handler, given = {}) {
      if (subscriptions.has(group)) throw new Error(`the group ${group} is already consumed in this process`);
      subscriptions.set(group, {
        group,
        handler,
        options: {
          concurrency: given.concurrency ?? 32,
          attempts: given.attempts ?? 8,
          backoff: given.backoff ?? { baseMs: 200, limitMs: 30_000 },
          isAway: (error) => isRedisAway(error) || (given.isAway?.(error) ?? false),
          isOff: given.isOff ?? (() => false),
        },
      });
      running ??= run();
      session?.nudge();
      return {
        async stop(limitMs = 8_000) {
          subscriptions.delete(group);
          await session?.letGo(group, limitMs);
        },
      };
    },

    lag: (group) => ask((redis) => readLag(redis, group, { keys, partitions })),

    rewind: (group, to) =>
      ask(async (redis) => {
        const counts = await everyPartition((partition) =>
          rewindPartition(redis, keys, group, partition, to),
        );
        await redis.publish(keys.released, group);
        return { events: counts.reduce((sum, count) => sum + count, 0) };
      }),

    held: () => session?.held() ?? {},

    async close(limitMs = 8_000) {
      const current = session;
      const groups = [...subscriptions.keys()];
      subscriptions.clear();
      stop.abort();
      if (current) await Promise.all(groups.map((group) => current.letGo(group, limitMs)));
      await session?.abandon();
      await running;
      await asking?.then((it) => it.close()).catch(() => {});
    },
  };
}

/** A share is so many whole partitions, at least one: the first by rank, so that none leaves while a share grows. */
function isAmong(
  { share, rank }: { share: number; rank: (partition: number) => number },
  partition: number,
  partitions: number,
): boolean {
  const count = share === 0 ? 0 : Math.max(1, Math.round((share / 100) * partitions));
  const own = rank(partition);
  let before = 0;
  for (let other = 0; other < partitions; other++)
    if (rank(other) < own || (rank(other) === own && other < partition)) before += 1;
  return before < count;
}

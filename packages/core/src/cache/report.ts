// What the caches of all processes say of themselves: each writes its own account to Redis every second, whoever asks adds them up.

import type { Redis } from "../redis.ts";
import { mergePacked, newSketch, packSketch, quantiles } from "../signals/sketch.ts";
import type { Counters } from "./counters.ts";
import { reportsKey } from "./keys.ts";
import type { Recent } from "./recent.ts";
import type { Ttl } from "./settings.ts";

const everyMs = 1_000;

type EntityReport = { name: string; entries: number; ttl: Ttl; counts: Counters; fills: number[] };
export type CacheReport = {
  instance: string;
  /** Whether it reads from Redis, and whether news of changes reach it. */
  redis: boolean;
  news: boolean;
  since: number;
  entities: EntityReport[];
};

export type EntitySum = {
  name: string;
  /** In the memories of all processes. */
  entries: number;
  ttl: Ttl;
  counts: Counters;
  fillP50Ms: number | null;
  fillP99Ms: number | null;
  instances: { instance: string; entries: number; counts: Counters }[];
};

type Described = { name: string; memorySize: number; ttl: Ttl; recent: Recent };

export function createReporter(deps: {
  redis: Redis;
  instance: string;
  describe: () => { redis: boolean; news: boolean; entities: Described[] };
}) {
  const { redis, instance, describe } = deps;
  let timer: NodeJS.Timeout | undefined;

  function own(): CacheReport {
    const { entities, ...state } = describe();
    return {
      instance,
      ...state,
      since: Math.min(Date.now(), ...entities.map(({ recent }) => recent.since)),
      entities: entities.map(({ name, memorySize, ttl, recent }) => ({
        name,
        entries: memorySize,
        ttl,
        counts: recent.counts,
        fills: packSketch(recent.fills),
      })),
    };
  }

  async function say(): Promise<void> {
    // Also without Redis, so that minutes are counted apart.
    const report = own();
    if (redis.status === "ready") await redis.hset(reportsKey, instance, JSON.stringify(report));
  }

  return {
    own,
    start() {
      timer = setInterval(() => void say().catch(() => {}), everyMs);
      timer.unref();
      void say().catch(() => {});
    },
    /** The accounts of those who are alive, this process's own as of now. Without Redis: that one alone. */
    async all(alive: string[]): Promise<CacheReport[]> {
      const others: Record<string, string> =
        redis.status === "ready" ? await redis.hgetall(reportsKey).catch(() => ({})) : {};
      const reports = Object.entries(others).filter(([id]) => id !== instance);
      const gone = reports.filter(([id]) => !alive.includes(id)).map(([id]) => id);
      if (alive.length > 0 && gone.length > 0) redis.hdel(reportsKey, ...gone).catch(() => {});
      return [
        own(),
        ...reports.flatMap(([id, text]) => (alive.includes(id) ? [JSON.parse(text) as CacheReport] : [])),
      ];
    },
    async close() {
      clearInterval(timer);
      if (redis.status === "ready") await redis.hdel(reportsKey, instance).catch(() => {});
    },
  };
}

/** By name. Where processes differ in their TTLs, those of the first one are told: who asked comes first. */
export function sumReports(reports: CacheReport[]): EntitySum[] {
  const rows = reports.flatMap(({ instance, entities }) => entities.map((of) => ({ instance, ...of })));
  return [...Map.groupBy(rows, ({ name }) => name)]
    .map(([name, each]) => {
      const fills = newSketch();
      for (const row of each) mergePacked(fills, row.fills);
      const [fillP50Ms, fillP99Ms] = quantiles(fills, [0.5, 0.99]);
      return {
        name,
        entries: each.reduce((sum, { entries }) => sum + entries, 0),
        ttl: each[0]!.ttl,
        counts: each.map(({ counts }) => counts).reduce(addCounters),
        fillP50Ms: fillP50Ms!,
        fillP99Ms: fillP99Ms!,
        instances: each.map(({ instance, entries, counts }) => ({ instance, entries, counts })),
      };
    })
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

function addCounters(a: Counters, b: Counters): Counters {
  const sum = { ...a };
  for (const name of Object.keys(sum) as (keyof Counters)[])
    sum[name] = name === "slowestLoadMs" ? Math.max(a[name], b[name]) : a[name] + b[name];
  return sum;
}

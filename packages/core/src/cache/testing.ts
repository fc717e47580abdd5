// A source whose every read can be slow or fail, and as many caches over it as a test has instances.

import { newId } from "../ids.ts";
import { createLogger } from "../log.ts";
import { connectRedis, type Redis } from "../redis.ts";
import { type Cache, type CacheOptions, createCache, defineEntity } from "./cache.ts";

export type Thing = { text: string; version: number };

export type FakeSource = {
  rows: Map<string, Thing>;
  /** Ids of each query, in order. */
  queries: string[][];
  away: boolean;
  /** What a read waits for before it looks, and before it answers. */
  before: () => Promise<void>;
  after: () => Promise<void>;
};

export const fakeSource = (rows: Record<string, Thing> = {}): FakeSource => ({
  rows: new Map(Object.entries(rows)),
  queries: [],
  away: false,
  before: async () => {},
  after: async () => {},
});

export const things = defineEntity<FakeSource, Thing>({
  name: "test.thing",
  shape: 1,
  async load(source, ids) {
    source.queries.push(ids);
    await source.before();
    if (source.away) throw new Error("the source is away");
    const rows = ids.flatMap((id) => {
      const row = source.rows.get(id);
      return row ? [[id, row] as const] : [];
    });
    await source.after();
    return new Map(rows);
  },
  popular: async (source) => [...source.rows.keys()],
});

export type Instances = {
  source: FakeSource;
  caches: Cache<FakeSource>[];
  redis: Redis;
  close(): Promise<void>;
};

export async function openInstances(
  count: number,
  {
    url = process.env.TEST_REDIS_URL,
    source = fakeSource(),
    ...options
  }: { url?: string } & Partial<CacheOptions<FakeSource>> = {},
): Promise<Instances> {
  if (!url) throw new Error("TEST_REDIS_URL is not set: run the tests with ./signalbox test");
  const redis = connectRedis(url, { keyPrefix: `${newId()}:` });
  const log = createLogger({ name: "test", level: process.env.LOG_LEVEL ?? "silent" });
  const caches = Array.from({ length: count }, () => createCache({ redis, log, source, ...options }));
  await Promise.all(caches.map((cache) => cache.start()));
  return {
    source,
    caches,
    redis,
    async close() {
      await Promise.all(caches.map((cache) => cache.close()));
      redis.disconnect();
    },
  };
}

export const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

export async function until(what: () => boolean, ms = 5_000): Promise<void> {
  for (const end = Date.now() + ms; !what(); await sleep(5))
    if (Date.now() > end) throw new Error(`still not after ${ms} ms: ${what}`);
}

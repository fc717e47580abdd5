import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { AppError } from "../errors.ts";
import { createLogger } from "../log.ts";
import { exposition } from "../metrics.ts";
import { type OwnRedis, startOwnRedis } from "../testing/own-redis.ts";
import { defineEntity } from "./cache.ts";
import { cacheFamilies } from "./families.ts";
import {
  type FakeSource,
  fakeSource,
  type Instances,
  openInstances,
  sleep,
  type Thing,
  things,
  until,
} from "./testing.ts";
import { createWriteBehind } from "./write-behind.ts";

const one: Thing = { text: "one", version: 1 };
const two: Thing = { text: "two", version: 2 };

async function withInstances(
  count: number,
  work: (instances: Instances) => Promise<void>,
  options: Parameters<typeof openInstances>[1] = {},
) {
  const instances = await openInstances(count, { source: fakeSource({ a: one }), ...options });
  try {
    await work(instances);
  } finally {
    await instances.close();
  }
}

/** mulberry32: the same decisions for the same seed, as far as timers allow. */
function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const countersOf = (instances: Instances, at = 0) => instances.caches[at]!.status().entities[0]!;

for (const l1Ms of [0, 1])
  test(`with ${l1Ms} ms in memory, what Redis still holds is not made anew, and what changed is`, () =>
    withInstances(
      2,
      async (instances) => {
        const [near, far] = instances.caches.map((cache) => cache.entity(things));
        await near!.read("a");
        const read = async () => {
          await sleep(5);
          return far!.read("a");
        };
        const first = await read();
        assert.deepEqual(first, one);
        for (let n = 0; n < 3; n++) assert.equal(await read(), first);
        assert.equal(countersOf(instances, 1).l2Hits, 4);
        instances.source.rows.set("a", two);
        await near!.forget("a");
        assert.deepEqual(await read(), two);
        await instances.caches[0]!.invalidate({ name: "test" }, undefined);
        assert.deepEqual(await near!.read("a"), two);
        assert.equal(instances.source.queries.length, 3);
      },
      { settings: () => ({ maxLoads: 8, ttl: { "test.thing": { l1Ms } } }) },
    ));

test("a value is read from the source once, then from memory, and by another instance from Redis", () =>
  withInstances(2, async (instances) => {
    const [near, far] = instances.caches.map((cache) => cache.entity(things));
    assert.deepEqual(await near!.read("a"), one);
    assert.deepEqual(await near!.read("a"), one);
    assert.deepEqual(await far!.read("a"), one);
    assert.equal(instances.source.queries.length, 1);
    assert.equal(countersOf(instances).l1Hits, 1);
    assert.equal(countersOf(instances, 1).l2Hits, 1);
  }));

test("a thousand callers of two instances asking for one cold key are one query", () =>
  withInstances(2, async ({ caches, source }) => {
    source.before = () => sleep(40);
    const answers = await Promise.all(
      Array.from({ length: 1_000 }, (_, n) => caches[n % 2]!.entity(things).read("a")),
    );
    assert.equal(source.queries.length, 1);
    assert.ok(answers.every((answer) => answer?.text === "one"));
  }));

test("many keys of one moment come in one query, and those that are missing are believed missing for a while", () =>
  withInstances(1, async ({ caches, source }) => {
    source.rows.set("b", two);
    const entity = caches[0]!.entity(things);
    assert.deepEqual([...(await entity.readMany(["a", "b", "c", "a"])).keys()].sort(), ["a", "b"]);
    assert.equal(await entity.read("c"), undefined);
    assert.deepEqual(source.queries, [["a", "b", "c"]]);
    source.rows.set("c", two);
    await entity.forget("c");
    assert.deepEqual(await entity.read("c"), two);
  }));

test("what one caller got can not be changed under the others", () =>
  withInstances(1, async ({ caches }) => {
    const value = await caches[0]!.entity(things).read("a");
    assert.throws(() => {
      value!.text = "mine";
    }, TypeError);
  }));

test("after a change is forgotten the other instance reads the new value within 200 ms", () =>
  withInstances(2, async ({ caches, source }) => {
    const [near, far] = caches.map((cache) => cache.entity(things));
    const lateness: number[] = [];
    for (let n = 1; n <= 200; n += 1) {
      await far!.read("a");
      source.rows.set("a", { text: `${n}`, version: n });
      await near!.forget("a");
      const at = performance.now();
      while ((await far!.read("a"))!.version !== n) {
        assert.ok(performance.now() - at < 1_000);
        await new Promise(setImmediate);
      }
      lateness.push(performance.now() - at);
    }
    lateness.sort((a, b) => a - b);
    assert.ok(lateness[197]! < 200, `p99 is ${lateness[197]} ms`);
  }));

test("a fill that began before an invalidation is refused", () =>
  withInstances(2, async (instances) => {
    const { caches, source } = instances;
    const [near, far] = caches.map((cache) => cache.entity(things));
    let go = () => {};
    source.after = () =>
      new Promise((resolve) => {
        go = resolve;
      });
    const slow = near!.read("a");
    await until(() => source.queries.length === 1);
    await sleep(20);
    source.after = async () => {};
    source.rows.set("a", two);
    await far!.forget("a");
    await sleep(50);
    assert.deepEqual(await near!.read("a"), two, "who comes later does not join the slow one");
    await far!.forget("a");
    await sleep(50);
    go();
    // Who asked before the change may get what was there then; nobody who asks now does.
    assert.deepEqual(await slow, one);
    assert.deepEqual(await near!.read("a"), two);
    assert.deepEqual(await far!.read("a"), two);
    assert.equal(countersOf(instances).refusedFills, 1);
  }));

test("no old value comes back after an invalidation, whatever the order of reads, writes and slow answers on two instances", () =>
  withInstances(2, async ({ caches, source }) => {
    const seed = Number(process.env.CACHE_SEED ?? Date.now() % 1_000_000);
    const random = seededRandom(seed);
    const entities = caches.map((cache) => cache.entity(things));
    const anyEntity = () => entities[random() < 0.5 ? 0 : 1]!;
    const wait = (ms: number) => (random() < 0.3 ? Promise.resolve() : sleep(random() * ms));
    source.before = () => wait(20);
    source.after = () => wait(40);

    async function change(id: string): Promise<void> {
      await wait(60);
      const entity = anyEntity();
      const commit = () => {
        const value = { text: id, version: (source.rows.get(id)?.version ?? 0) + 1 };
        source.rows.set(id, value);
        return value;
      };
      if (random() < 0.4) {
        await entity.write(id, async () => {
          await wait(15);
          const value = commit();
          await wait(15);
          return value;
        });
      } else {
        commit();
        await wait(5);
        await entity.forget(id);
      }
    }

    async function look(id: string): Promise<void> {
      await wait(90);
      await anyEntity().read(id);
    }

    for (let round = 0; round < 25; round += 1) {
      const ids = Array.from({ length: 30 }, (_, n) => `${round}:${n}`);
      const acts = ids.flatMap((id) => [
        ...Array.from({ length: 3 }, () => change(id)),
        ...Array.from({ length: 8 }, () => look(id)),
        ...(random() < 0.05 ? [wait(60).then(() => caches[0]!.invalidate({ name: "test" }, []))] : []),
      ]);
      await Promise.all(acts);
      // The news of the last invalidation may still be on their way.
      await sleep(30);
      for (const entity of entities) {
        const values = await entity.readMany(ids);
        for (const id of ids)
          assert.equal(values.get(id)?.version, source.rows.get(id)!.version, `${id}, CACHE_SEED=${seed}`);
      }
    }
  }));

test("a written value is served everywhere without asking the source", () =>
  withInstances(2, async ({ caches, source }) => {
    const [near, far] = caches.map((cache) => cache.entity(things));
    await far!.read("a");
    await near!.write("a", async () => {
      source.rows.set("a", two);
      return two;
    });
    assert.deepEqual(await near!.read("a"), two);
    await until(() => caches[1]!.status().entities[0]!.inMemory === 0);
    assert.deepEqual(await far!.read("a"), two);
    assert.equal(source.queries.length, 1);
  }));

test("of two writers at once, what stays is what the source has", () =>
  withInstances(2, async ({ caches, source }) => {
    const [near, far] = caches.map((cache) => cache.entity(things));
    // The one that commits last answers first.
    const committed = Promise.withResolvers<void>();
    const overtaken = Promise.withResolvers<void>();
    const slow = near!.write("a", async () => {
      source.rows.set("a", one);
      committed.resolve();
      await overtaken.promise;
      return one;
    });
    await committed.promise;
    await far!.write("a", async () => {
      source.rows.set("a", two);
      return two;
    });
    overtaken.resolve();
    await slow;
    await sleep(50);
    assert.deepEqual(await near!.read("a"), two);
    assert.deepEqual(await far!.read("a"), two);
  }));

test("a write that fails leaves no value behind that could be wrong", () =>
  withInstances(1, async ({ caches, source }) => {
    const entity = caches[0]!.entity(things);
    await entity.read("a");
    await assert.rejects(
      entity.write("a", async () => {
        source.rows.set("a", two);
        throw new Error("the answer to the commit was lost");
      }),
    );
    assert.deepEqual(await entity.read("a"), two);
  }));

test("a value that ended is served stale, and marked, while the source is away", () =>
  withInstances(
    1,
    async ({ caches, source }) => {
      const entity = caches[0]!.entity(things);
      await entity.read("a");
      await sleep(90);
      source.away = true;
      assert.deepEqual(
        { ...(await entity.find("a")), filledAt: 0 },
        { value: one, stale: true, filledAt: 0 },
      );
      const asked = source.queries.length;
      for (let n = 0; n < 20; n += 1) await entity.find("a");
      assert.equal(source.queries.length, asked, "a source that failed is left alone for a moment");
      await assert.rejects(entity.read("never seen"), /away/);
      source.away = false;
      source.rows.set("a", two);
      await sleep(120);
      assert.deepEqual((await entity.find("a")).value, two);
      assert.equal((await entity.find("a")).stale, false);
    },
    {
      settings: () => ({ maxLoads: 8, ttl: { "*": { l1Ms: 20, l2Ms: 60 } } }),
      timing: { retryMs: 100 },
    },
  ));

test("a source that hangs costs a reader who can be given a stale value a moment only", () =>
  withInstances(
    1,
    async ({ caches, source }) => {
      const entity = caches[0]!.entity(things);
      await entity.read("a");
      await sleep(90);
      source.before = () => sleep(600);
      const at = performance.now();
      assert.equal((await entity.find("a")).stale, true);
      assert.ok(performance.now() - at < 400);
    },
    {
      settings: () => ({ maxLoads: 8, ttl: { test: { l1Ms: 20, l2Ms: 60 } } }),
      timing: { patienceMs: 100 },
    },
  ));

test("who loads may fail or die: the next one takes over", () =>
  withInstances(
    2,
    async ({ caches, source, redis }) => {
      const [near, far] = caches.map((cache) => cache.entity(things));
      source.away = true;
      await assert.rejects(near!.read("a"), /away/);
      source.away = false;
      const at = performance.now();
      assert.deepEqual(await far!.read("a"), one);
      assert.ok(performance.now() - at < 200, "a lease given back is not waited for");
      // Somebody took the lease and is gone.
      await near!.forget("a");
      await redis.set("cache:{test.thing:a}:lease", "of a dead process", "PX", 60_000);
      assert.deepEqual(await far!.read("a"), one);
      await near!.forget("a");
      assert.deepEqual(await near!.read("a"), one);
    },
    { timing: { waitMs: 150 } },
  ));

test("a hot value is renewed before it ends, by one reader, and none waits", () =>
  withInstances(
    2,
    async (instances) => {
      const { caches, source } = instances;
      source.before = () => sleep(30);
      const entities = caches.map((cache) => cache.entity(things));
      await entities[0]!.read("a");
      const end = Date.now() + 2_500;
      while (Date.now() < end) {
        await Promise.all(entities.map((entity) => entity.read("a")));
        await sleep(1);
      }
      const early = countersOf(instances).earlyRefreshes + countersOf(instances, 1).earlyRefreshes;
      const misses = countersOf(instances).misses + countersOf(instances, 1).misses;
      assert.ok(early >= 3, `${early} early refreshes`);
      // The first read, and those that a busy machine may have kept past the end.
      assert.ok(misses <= 1 + early, `${misses} readers waited`);
      assert.ok(source.queries.length <= early + misses);
    },
    { settings: () => ({ maxLoads: 8, ttl: { "*": { l1Ms: 20, l2Ms: 500 } } }) },
  ));

test("an operator forgets an entity or all below a prefix on every instance, also what is only in Redis", () =>
  withInstances(2, async ({ caches, source }) => {
    const [near, far] = caches.map((cache) => cache.entity(things));
    for (const prefix of ["test.thing", "test", "*"]) {
      await near!.read("a");
      await far!.read("a");
      const asked = source.queries.length;
      await caches[0]!.invalidate({ name: prefix }, []);
      await until(() => caches[1]!.status().entities[0]!.inMemory === 0);
      await far!.read("a");
      assert.equal(source.queries.length, asked + 1, prefix);
    }
    await caches[0]!.invalidate({ name: "another" }, []);
    const asked = source.queries.length;
    await near!.read("a");
    await far!.read("a");
    assert.equal(source.queries.length, asked);
    await caches[0]!.invalidate({ name: "test.thing", id: "a" }, []);
    await near!.read("a");
    assert.equal(source.queries.length, asked + 1);
  }));

test("an instance that does not answer an invalidation is named", () =>
  withInstances(1, async ({ caches }) => {
    await caches[0]!.entity(things).read("a");
    const done = await caches[0]!.invalidate({ name: "test" }, ["gone"]);
    assert.deepEqual(done, { expected: 1, confirmed: 0, slowestMs: null, missing: ["gone"] });
    assert.equal(caches[0]!.status().entities[0]!.inMemory, 0);
  }));

test("what Prometheus reads counts hits, misses, fills and entries of each entity", () =>
  withInstances(1, async ({ caches }) => {
    for (let n = 0; n < 3; n++) await caches[0]!.entity(things).read("a");
    const text = exposition(cacheFamilies(caches[0]!.status()));
    for (const line of [
      'signalbox_cache_hits_total{entity="test.thing",level="l1"} 2',
      'signalbox_cache_misses_total{entity="test.thing"} 1',
      'signalbox_cache_fills_total{entity="test.thing"} 1',
      'signalbox_cache_entries{entity="test.thing"} 1',
      "signalbox_cache_redis_up 1",
    ])
      assert.ok(text.includes(`${line}\n`), line);
  }));

test("warming reads what is popular, so that the first caller finds it", () =>
  withInstances(1, async ({ caches, source }) => {
    source.rows.set("b", two);
    caches[0]!.entity(things);
    assert.equal(await caches[0]!.warm("test"), 2);
    await caches[0]!.entity(things).read("b");
    assert.equal(source.queries.length, 1);
  }));

test("a value of another shape is not read", () =>
  withInstances(1, async ({ caches, source, redis }) => {
    await caches[0]!.entity(things).read("a");
    const next = defineEntity<FakeSource, Thing>({ ...things, name: "test.thing", shape: 2 });
    const later = await openInstances(1, { source, redis });
    await later.caches[0]!.entity(next).read("a");
    await later.close();
    assert.equal(source.queries.length, 2);
  }));

test("a value read beside another one is kept, unless it was invalidated since that reading began", () =>
  withInstances(1, async ({ caches, source }) => {
    let meanwhile = async () => {};
    const names = defineEntity<FakeSource, string>({
      name: "test.name",
      async load(source, ids, beside) {
        const value = source.rows.get("a")!;
        await meanwhile();
        beside.seed(things, "a", value);
        return new Map(ids.map((id) => [id, "a"]));
      },
    });
    const cache = caches[0]!;
    await cache.entity(names).read("first");
    assert.deepEqual(await cache.entity(things).read("a"), one);
    assert.equal(source.queries.length, 0);
    await cache.entity(things).forget("a");
    meanwhile = async () => {
      source.rows.set("a", two);
      await cache.entity(things).forget("a");
    };
    await cache.entity(names).read("second");
    assert.deepEqual(await cache.entity(things).read("a"), two);
  }));

test("ids of any form are apart from each other", () =>
  withInstances(1, async ({ caches, source }) => {
    const ids = ["}", "{x}", "https://example.test/?q=1", "é".repeat(500), "a b", ""];
    for (const id of ids) source.rows.set(id, { text: id, version: 1 });
    const read = await caches[0]!.entity(things).readMany(ids);
    for (const id of ids) assert.equal(read.get(id)!.text, id);
  }));

test("memory holds so many values and no more, and those in use stay", () =>
  withInstances(1, async ({ caches, source }) => {
    const few = defineEntity<FakeSource, Thing>({ ...things, name: "test.few", l1Entries: 10 });
    const entity = caches[0]!.entity(few);
    for (let n = 0; n < 50; n += 1) {
      source.rows.set(`${n}`, one);
      await entity.read(`${n}`);
      await entity.read("0");
    }
    const [status] = caches[0]!.status().entities;
    assert.ok(status!.inMemory >= 5 && status!.inMemory <= 10, `${status!.inMemory}`);
    assert.ok(status!.l1Hits >= 49);
  }));

describe("with Redis away", () => {
  let own: OwnRedis;
  before(async () => {
    own = await startOwnRedis();
  });
  after(() => own.end());

  test("of a storm of misses each key reaches the source once, and a few at a time", async () => {
    const source = fakeSource();
    const instances = await openInstances(1, {
      url: own.url,
      source,
      settings: () => ({ maxLoads: 2, ttl: {} }),
    });
    const cache = instances.caches[0]!;
    await own.kill();
    await until(() => !cache.status().redis);
    let running = 0;
    let most = 0;
    source.before = async () => {
      running += 1;
      most = Math.max(most, running);
      await sleep(20);
      running -= 1;
    };
    const reads: Promise<unknown>[] = [];
    for (let wave = 0; wave < 20; wave += 1) {
      for (let n = 0; n < 300; n += 1) reads.push(cache.entity(things).read(`${n % 100}`));
      await sleep(2);
    }
    await Promise.all(reads);
    assert.ok(most <= 2, `${most} loads at once`);
    assert.ok(source.queries.length <= 20, `${source.queries.length} queries for 6,000 reads`);

    await instances.close();
    await own.start();
  });

  test("values are served from memory for a second at most, then from the source; what was written meanwhile is told before Redis is read again", async () => {
    const source = fakeSource({ a: one });
    const instances = await openInstances(2, { url: own.url, source });
    const [near, far] = instances.caches.map((cache) => cache.entity(things));
    await near!.read("a");
    await far!.read("a");
    await own.kill();
    await until(() => instances.caches.every((cache) => !cache.status().redis && !cache.status().news));
    source.rows.set("a", two);
    const at = performance.now();
    await near!.forget("a");
    assert.ok(performance.now() - at < 100, "an invalidation does not wait for Redis");
    assert.deepEqual(await near!.read("a"), two);
    await sleep(1_050);
    assert.deepEqual(await far!.read("a"), two);
    assert.equal(instances.caches[0]!.status().unsent, 1);

    // A read that began before a change is not kept either.
    source.after = () => sleep(80);
    await sleep(1_050);
    const slow = near!.read("a");
    await sleep(30);
    source.after = async () => {};
    source.rows.set("a", { text: "three", version: 3 });
    await near!.forget("a");
    await slow;
    assert.equal((await near!.read("a"))!.version, 3);

    await own.start();
    await until(() => instances.caches.every((cache) => cache.status().redis && cache.status().news), 10_000);
    await until(() => instances.caches[0]!.status().unsent === 0);
    await sleep(50);
    const asked = source.queries.length;
    assert.equal((await near!.read("a"))!.version, 3);
    assert.equal((await far!.read("a"))!.version, 3);
    assert.ok(source.queries.length <= asked + 1);
    await instances.close();
  });

  test("a Redis that hangs costs one reader half a second, the next ones nothing", async () => {
    const source = fakeSource({ a: one, b: two });
    const instances = await openInstances(1, { url: own.url, source });
    const cache = instances.caches[0]!;
    own.pause();
    const first = performance.now();
    assert.deepEqual(await cache.entity(things).read("a"), one);
    assert.ok(performance.now() - first < 900);
    const second = performance.now();
    assert.deepEqual(await cache.entity(things).read("b"), two);
    assert.ok(performance.now() - second < 50);
    own.resume();
    await until(() => cache.status().redis && cache.status().news, 10_000);
    await instances.close();
  });

  test("both Redis and the source away: memory serves what it has, marked stale", async () => {
    const source = fakeSource({ a: one });
    const instances = await openInstances(1, { url: own.url, source });
    const cache = instances.caches[0]!;
    await cache.entity(things).read("a");
    await own.kill();
    source.away = true;
    await until(() => !cache.status().redis && !cache.status().news);
    await sleep(1_050);
    assert.equal((await cache.entity(things).find("a")).stale, true);
    await instances.close();
    await own.start();
  });
});

test("a full line at the source refuses with a word on when to come again", () =>
  withInstances(
    1,
    async ({ caches, source }) => {
      source.before = () => sleep(2_500);
      const entity = caches[0]!.entity(things);
      const first = entity.read("x");
      await sleep(50);
      await assert.rejects(
        entity.read("y"),
        (error) =>
          error instanceof AppError && error.code === "overloaded" && error.retryAfterMs !== undefined,
      );
      await first;
    },
    { settings: () => ({ maxLoads: 1, ttl: {} }) },
  ));

test("write-behind merges by key, tries again what failed, and writes the rest at the end", async () => {
  const log = createLogger({ name: "test", level: "silent" });
  const written: Record<string, number>[] = [];
  let fails = true;
  const counts = createWriteBehind<number>(
    {
      name: "test.views",
      merge: (a, b) => a + b,
      write: async (changes) => {
        if (fails) throw new Error("away");
        written.push(Object.fromEntries(changes));
      },
      everyMs: 10_000,
      maxGathered: 3,
    },
    log,
  );
  await counts.add("a", 1);
  await counts.add("a", 2);
  await assert.rejects(counts.flush());
  await counts.add("b", 5);
  fails = false;
  await counts.flush();
  assert.deepEqual(written, [{ a: 3, b: 5 }]);
  for (const id of ["x", "y", "z"]) await counts.add(id, 1);
  assert.equal(written.length, 2, "too much is written at once");
  await counts.add("a", 7);
  await counts.close();
  assert.deepEqual(written[2], { a: 7 });
});

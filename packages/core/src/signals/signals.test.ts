import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, test } from "node:test";
import { createLogger } from "../log.ts";
import { connectRedis, type Redis } from "../redis.ts";
import { createSignals, type Signals } from "./signals.ts";
import {
  addToSketch,
  countUpTo,
  mergePacked,
  mergeSketch,
  newSketch,
  packSketch,
  quantiles,
} from "./sketch.ts";

const log = createLogger({ name: "test", level: "silent" });
const prefix = `test-${randomBytes(6).toString("hex")}`;
let redis: Redis;
const opened: Signals[] = [];

before(async () => {
  const { TEST_REDIS_URL } = process.env;
  if (!TEST_REDIS_URL) throw new Error("TEST_REDIS_URL must name a Redis");
  redis = connectRedis(TEST_REDIS_URL);
  await redis.ping();
});
after(async () => {
  await Promise.all(opened.map((signals) => signals.close()));
  const keys = await redis.keys(`${prefix}:*`);
  if (keys.length > 0) await redis.del(...keys);
  redis.disconnect();
});

let count = 0;
function open(
  name: string,
  clock: { now: number },
  options: Partial<Parameters<typeof createSignals>[0]> = {},
): Signals {
  const instance = { id: `${name}-${++count}`, name, version: options.instance?.version ?? "1.0.0" };
  const signals = createSignals({ redis, log, prefix, now: () => clock.now, ...options, instance });
  opened.push(signals);
  return signals;
}

test("a sketch answers any quantile within 1 %, also after packing and merging", () => {
  const values: number[] = [];
  const parts = [newSketch(), newSketch(), newSketch()];
  for (let n = 0; n < 30_000; n++) {
    // Three decades, with a heavy tail, as latencies have.
    const value = Math.exp(Math.random() * 7 - 2) * (n % 100 === 0 ? 20 : 1);
    values.push(value);
    addToSketch(parts[n % 3]!, value);
  }
  values.sort((a, b) => a - b);
  const merged = newSketch();
  mergeSketch(merged, parts[0]!);
  mergePacked(merged, packSketch(parts[1]!));
  mergePacked(merged, JSON.parse(JSON.stringify(packSketch(parts[2]!))));
  for (const q of [0, 0.01, 0.25, 0.5, 0.9, 0.95, 0.99, 0.999, 1]) {
    const [estimate] = quantiles(merged, [q]);
    const exact = values[Math.floor(q * (values.length - 1))]!;
    assert.ok(Math.abs(estimate! - exact) / exact <= 0.0101, `q ${q}: ${estimate} for ${exact}`);
  }
  assert.deepEqual(quantiles(newSketch(), [0.5]), [null]);
});

test("a sketch takes nonsense and extremes without harm", () => {
  const sketch = newSketch();
  for (const value of [Number.NaN, -1, 0, 1e-9, 1e12, Number.POSITIVE_INFINITY]) addToSketch(sketch, value);
  assert.equal(countUpTo(sketch, 1), 4);
  assert.ok(quantiles(sketch, [1])[0]! > 100_000);
});

test("counts of several processes add up exactly, by every grouping", async () => {
  const clock = { now: Date.parse("2031-01-01T00:00:00Z") };
  const [a, b] = [
    open("api", clock),
    open("api", clock, { instance: { id: "", name: "", version: "2.0.0" } }),
  ];
  for (let second = 0; second < 20; second++) {
    clock.now += 1_000;
    for (let n = 0; n < 10; n++) a.record("feed.post.create", "feed", "stable", 5, n === 0 ? "error" : "ok");
    for (let n = 0; n < 5; n++) b.record("feed.post.create", "feed", "canary", 50, "ok");
    b.record("users.profile.read", "users", "stable", 1, "refused");
    // Twice, because writing the same slot again must change nothing.
    await Promise.all([a.flush(), b.flush(), a.flush()]);
  }
  const golden = await a.readGolden({ window: "30s", by: "endpoint" });
  assert.equal(golden.partial, false);
  const [posts, profiles] = golden.items;
  assert.deepEqual(
    [posts?.key, posts?.requests, posts?.errors, posts?.refused, posts?.errorRate],
    ["feed.post.create", 300, 20, 0, 20 / 300],
  );
  assert.deepEqual(
    [profiles?.requests, profiles?.errors, profiles?.refused, profiles?.p50],
    [20, 0, 20, null],
  );
  assert.ok(Math.abs(posts!.p50! - 5) <= 0.05 && Math.abs(posts!.p99! - 50) <= 0.5);
  assert.equal(posts?.rps, Number((300 / golden.seconds).toFixed(3)));

  const by = async (grouping: "service" | "version" | "track") =>
    Object.fromEntries(
      (await b.readGolden({ window: "5m", by: grouping })).items.map(({ key, requests }) => [key, requests]),
    );
  assert.deepEqual(await by("service"), { feed: 300, users: 20 });
  assert.deepEqual(await by("version"), { "1.0.0": 200, "2.0.0": 120 });
  assert.deepEqual(await by("track"), { stable: 220, canary: 100 });
});

test("an hour is counted exactly, across minutes and slots, and forgets what is older", async () => {
  const clock = { now: Date.parse("2032-01-01T00:00:03Z") };
  const signals = open("api", clock);
  let expected = 0;
  for (let minute = 0; minute < 70; minute++) {
    for (let n = 0; n < 6; n++) {
      clock.now += 10_000;
      signals.record("a.b.c", "a", "stable", 1, "ok");
    }
    await signals.flush();
  }
  const golden = await signals.readGolden({ window: "1h", by: "endpoint" });
  expected = Math.ceil(golden.seconds / 10);
  assert.ok(golden.seconds >= 3_600 && golden.seconds <= 3_660);
  assert.ok(
    Math.abs(golden.items[0]!.requests - expected) <= 1,
    `${golden.items[0]!.requests} for ${expected}`,
  );
  const recent = await signals.readGolden({ window: "30s", by: "endpoint" });
  assert.ok(recent.items[0]!.requests >= 3 && recent.items[0]!.requests <= 4);
});

test("without Redis a process answers for itself and says so", async () => {
  const clock = { now: Date.parse("2033-01-01T00:00:00Z") };
  const away = connectRedis("redis://127.0.0.1:1");
  const signals = open("api", clock, { redis: away });
  for (let n = 0; n < 7; n++) signals.record("a.b.c", "a", "stable", 2, "ok");
  for (const window of ["30s", "5m", "1h"] as const) {
    const golden = await signals.readGolden({ window, by: "endpoint" });
    assert.equal(golden.partial, true);
    assert.equal(golden.items[0]?.requests, 7);
    assert.equal(golden.saturation.instances.length, 1);
  }
  away.disconnect();
});

test("counts made while Redis was away are written when it is back", async () => {
  const clock = { now: Date.parse("2034-01-01T00:00:00Z") };
  const late = connectRedis(process.env.TEST_REDIS_URL!, { lazyConnect: true });
  const signals = open("api", clock, { redis: late });
  signals.record("a.b.c", "a", "stable", 2, "ok");
  await signals.flush();
  clock.now += 7_000;
  signals.record("a.b.c", "a", "stable", 2, "ok");
  await late.connect();
  await signals.flush();
  const other = open("api", clock);
  assert.equal((await other.readGolden({ window: "30s", by: "endpoint" })).items[0]?.requests, 2);
  await signals.close();
  late.disconnect();
});

test("the same failure of many callers is one signature", async () => {
  const clock = { now: Date.parse("2035-01-01T00:00:00Z") };
  const signals = open("api", clock);
  for (let n = 0; n < 5; n++)
    signals.recordError(
      "a.b.c",
      "internal",
      `row 01900000-0000-7000-8000-00000000000${n} of "user${n}" is gone`,
      `r${n}`,
    );
  const { errorSignatures } = await signals.readGolden({ window: "30s", by: "endpoint" });
  assert.deepEqual(errorSignatures, [
    { code: "internal", endpoint: "a.b.c", message: "row <id> of <text> is gone", count: 5, requestId: "r4" },
  ]);
});

test("recording a call costs less than a microsecond", () => {
  const signals = open("api", { now: Date.now() });
  const names = Array.from({ length: 50 }, (_, n) => `module.noun.verb${n}`);
  const run = (rounds: number) => {
    for (let n = 0; n < rounds; n++)
      signals.record(names[n % 50]!, "module", "stable", (n % 1_000) / 10, "ok");
  };
  run(100_000);
  const began = performance.now();
  run(500_000);
  const ns = ((performance.now() - began) / 500_000) * 1e6;
  console.log(`# recording a call: ${ns.toFixed(0)} ns`);
  assert.ok(ns < 2_000);
});

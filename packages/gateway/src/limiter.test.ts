// Buckets on a real Redis: exact over instances, quick for the many, and never off.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { after, before, test } from "node:test";
import type { Limit } from "@signalbox/control/evaluate";
import { limitSetting } from "@signalbox/control/settings";
import { connectRedis, type Redis } from "@signalbox/core/redis";
import { createBreaker } from "@signalbox/core/resilience/breaker";
import { Deadline, withDeadline } from "@signalbox/core/resilience/deadline";
import { startOwnRedis } from "@signalbox/core/testing/own-redis";
import { createLimiter, type Limiter } from "./limiter.ts";

const prefix = `test-${randomBytes(6).toString("hex")}`;
const connections: Redis[] = [];
const opened: Limiter[] = [];

async function connect(
  url = process.env.TEST_REDIS_URL,
  options: Parameters<typeof connectRedis>[1] = {},
): Promise<Redis> {
  if (!url) throw new Error("TEST_REDIS_URL must name a Redis");
  const redis = connectRedis(url, options);
  connections.push(redis);
  if (redis.status !== "ready") await once(redis, "ready");
  return redis;
}

let redis: Redis;
before(async () => {
  redis = await connect();
});
after(async () => {
  try {
    await Promise.all(opened.map((limiter) => limiter.close()));
    const keys = await redis.keys(`${prefix}:*`);
    if (keys.length > 0) await redis.del(...keys);
  } finally {
    // One that is left open would keep this file from ending.
    for (const connection of connections) connection.disconnect();
  }
});

function open(options: Partial<Parameters<typeof createLimiter>[0]> = {}): Limiter {
  const limiter = createLimiter({ redis, prefix, ...options });
  opened.push(limiter);
  return limiter;
}

let keys = 0;
function limit(rate: number, burst: number, perSeconds = 1, more: object = {}): Limit {
  return { key: `limit-${++keys}`, value: limitSetting.parse({ rate, burst, perSeconds, ...more }) };
}
const slidingWindow = (rate: number, perSeconds: number): Limit =>
  limit(rate, 1, perSeconds, { algorithm: "sliding-window" });

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

async function hammer(limiters: Limiter[], at: Limit, calls: number, subject = "ann"): Promise<number> {
  const taken = await Promise.all(
    Array.from({ length: calls }, (_, n) => limiters[n % limiters.length]!.take(at, subject)),
  );
  return taken.filter((one) => one >= 0).length;
}

for (const [rate, burst] of [
  [200, 1_000],
  [20, 200],
  [10, 10],
  [1, 1],
] as const) {
  test(`of a bucket of ${burst} exactly ${burst} calls are taken at once`, async () => {
    const at = limit(rate / 1_000, burst);
    assert.equal(await hammer([open()], at, burst * 2 + 50), burst);
  });
}

test("two instances share one bucket", async () => {
  const instances = () => 2;
  const pair = [open({ instances }), open({ instances, redis: await connect() })];
  const at = limit(0.2, 1_000);
  assert.equal(await hammer(pair, at, 3_000), 1_000);
});

test("a bucket that one instance emptied is nearly empty for the other, too", async () => {
  const instances = () => 2;
  const [one, other] = [open({ instances }), open({ instances, redis: await connect() })];
  const at = limit(0.2, 1_000);
  assert.equal(await hammer([one!], at, 1_500), 1_000);
  let over = 0;
  for (let n = 0; n < 500; n++) {
    if ((await other!.take(at, "ann")) >= 0) over += 1;
    if (n % 20 === 0) await sleep(1);
  }
  // What goes through before the first answer of Redis; the bucket owes it afterwards.
  assert.ok(over <= 125, `${over} too many`);
});

test("over time the rate holds", async () => {
  const limiter = open();
  const at = limit(200, 50);
  let taken = 0;
  const began = performance.now();
  while (performance.now() - began < 2_000) {
    taken += await hammer([limiter], at, 10);
    await sleep(5);
  }
  const expected = 50 + ((performance.now() - began) / 1_000) * 200;
  assert.ok(taken <= expected * 1.02 && taken >= expected * 0.93, `${taken} for ${expected.toFixed(0)}`);
});

test("what an idle instance had leased comes back", async () => {
  const limiter = open();
  const at = limit(0.2, 1_000);
  assert.equal(await hammer([limiter], at, 700), 700);
  await sleep(2_100);
  const other = open({ redis: await connect() });
  const taken = await hammer([other], at, 1_000);
  assert.ok(taken >= 299 && taken <= 302, `${taken}`);
});

test("callers do not share, and a changed limit holds at once", async () => {
  const limiter = open();
  const at = limit(0.001, 5);
  assert.equal(await hammer([limiter], at, 20, "ann"), 5);
  assert.equal(await hammer([limiter], at, 20, "ben"), 5);
  const wider: Limit = { key: at.key, value: { ...at.value, rate: 1_000, burst: 100 } };
  await sleep(150);
  assert.ok((await hammer([limiter], wider, 20, "ann")) >= 10);
});

test("a refusal says how long until a call fits again", async () => {
  const limiter = open();
  const at = limit(10, 1);
  assert.ok((await limiter.take(at, "ann")) >= 0);
  const wait = -(await limiter.take(at, "ann"));
  assert.ok(wait > 50 && wait <= 101, `${wait}`);
  await sleep(wait + 5);
  assert.ok((await limiter.take(at, "ann")) >= 0);
});

test("what is given back can be taken again, here at once and elsewhere a moment later", async () => {
  const limiter = open();
  const at = limit(10, 10, 900);
  assert.equal(await hammer([limiter], at, 15), 10);
  limiter.giveBack(at, "ann");
  limiter.giveBack(at, "ann");
  assert.ok((await limiter.take(at, "ann")) >= 0);
  await sleep(2_100);
  const other = open({ redis: await connect() });
  assert.equal(await hammer([other], at, 5), 1);
});

test("without Redis each instance keeps to its part, at once and without an error", async () => {
  const away = connectRedis("redis://127.0.0.1:1");
  connections.push(away);
  const limiter = open({ redis: away, instances: () => 4 });
  const began = performance.now();
  assert.equal(await hammer([limiter], limit(0.2, 1_000), 1_500), 250);
  assert.equal(await hammer([limiter], limit(0.2, 2), 10), 1);
  assert.ok(performance.now() - began < 500);
});

test("a Redis that hangs is left alone after the first slow answer", async () => {
  const hanging = await connect();
  const limiter = open({ redis: hanging, instances: () => 1 });
  // Every answer of this connection takes longer than anyone waits.
  (hanging as unknown as { signalboxTokenBucket: () => Promise<never> }).signalboxTokenBucket = () =>
    new Promise(() => {});
  const at = limit(0.2, 30);
  const began = performance.now();
  assert.equal(await hammer([limiter], at, 100), 30);
  assert.ok(performance.now() - began < 600, `${performance.now() - began} ms`);
});

test("a busy caller costs few questions to Redis, and a decision is quick", async () => {
  const limiter = open();
  const at = limit(200_000, 1_000_000);
  let waited = 0;
  const rounds = 50_000;
  const began = performance.now();
  for (let n = 0; n < rounds; n++) {
    const taken = limiter.take(at, "ann");
    if (typeof taken !== "number") {
      waited += 1;
      await taken;
    }
    if (n % 500 === 0) await new Promise(setImmediate);
  }
  const us = ((performance.now() - began) / rounds) * 1_000;
  console.log(`# a decision: ${us.toFixed(2)} µs, ${waited} of ${rounds} waited for Redis`);
  assert.ok(waited < rounds / 50);
});

test("thousands of busy callers are told of in few questions, and of few in one turn of the event loop", async () => {
  const asking = await connect();
  const limiter = open({ redis: asking });
  const at = limit(50, 500);
  const callers = Array.from({ length: 5_000 }, (_, n) => `busy-${n}`);
  let questions = 0;
  let askedAbout = 0;
  // What Redis has of a caller who is far from his limit is gone a second later: not to be looked for there.
  const told = new Set<unknown>();
  const scripted = asking as unknown as {
    signalboxTokenBucket(count: number, ...rest: unknown[]): Promise<unknown>;
  };
  const ask = scripted.signalboxTokenBucket.bind(asking);
  scripted.signalboxTokenBucket = (count, ...rest) => {
    questions += 1;
    askedAbout += count;
    if (inTurn === 0)
      setImmediate(() => {
        inTurn = 0;
      });
    inTurn += count;
    mostInTurn = Math.max(mostInTurn, inTurn);
    return ask(count, ...rest).then((answer) => {
      for (const name of rest.slice(0, count)) told.add(name);
      return answer;
    });
  };
  let inTurn = 0;
  let mostInTurn = 0;
  // Each of them some three times a second: too often to be forgotten, and far from the limit.
  for (let n = 0; n < 10 * callers.length; n += 50) {
    for (let each = n; each < n + 50; each++) limiter.take(at, callers[each % callers.length]!);
    await sleep(3);
  }
  assert.deepEqual(told, new Set(callers.map((caller) => `${prefix}:limit:{${at.key}:${caller}}`)));
  assert.ok(questions * 10 < askedAbout, `${questions} questions about ${askedAbout}`);
  assert.ok(mostInTurn <= 150, `about ${mostInTurn} in one turn`);
});

test("a sliding window lets its rate through at once and nothing more until it has moved on", async () => {
  const at = slidingWindow(100, 1);
  const limiters = [open({ instances: () => 2 }), open({ instances: () => 2, redis: await connect() })];
  assert.equal(await hammer(limiters, at, 300), 100);
  assert.equal(await hammer(limiters, at, 100), 0);
  await sleep(1_150);
  assert.equal(await hammer(limiters, at, 300), 100);
});

test("a refusal of a long window says when it moves on, not when it is asked again", async () => {
  const at = slidingWindow(2, 60);
  const limiter = open();
  assert.equal(await hammer([limiter], at, 3), 2);
  const wait = -(await limiter.take(at, "ann"));
  assert.ok(wait > 50_000 && wait <= 63_001, `${wait}`);
});

test("three instances together stay within a limit, whichever way it counts", async () => {
  const instances = () => 3;
  const three = [open({ instances }), open({ instances, redis: await connect() })];
  three.push(open({ instances, redis: await connect() }));
  for (const at of [limit(300, 600), slidingWindow(600, 2)]) {
    const began = performance.now();
    let taken = 0;
    while (performance.now() - began < 3_000) {
      taken += await hammer(three, at, 60);
      await sleep(5);
    }
    const seconds = (performance.now() - began) / 1_000;
    const most = at.value.algorithm === "token-bucket" ? 600 + 300 * seconds : 600 * (1 + seconds / 2);
    assert.ok(taken <= most * 1.02, `${at.value.algorithm}: ${taken} of at most ${most.toFixed(0)}`);
    assert.ok(taken >= (at.value.algorithm === "token-bucket" ? most * 0.9 : 1_000), `${taken}`);
  }
});

test("a call takes as much as it weighs, and the heaviest takes all", async () => {
  const limiter = open();
  const at = limit(0.001, 100);
  assert.equal(await limiter.take(at, "ann", 30), 70);
  assert.equal(await limiter.take(at, "ann", 60), 10);
  assert.ok((await limiter.take(at, "ann", 20)) < 0);
  await sleep(1_010);
  assert.equal(await limiter.take(at, "ann", 10), 0);
  assert.ok((await limiter.take(at, "ben", 100_000)) >= 0, "more than the whole limit counts as all of it");
  assert.ok((await limiter.take(at, "ben", 1)) < 0);
  assert.ok((await limiter.take(at, "ben", 0)) >= 0, "what weighs nothing is never refused");
});

test("alone, the limits of signing in are stricter than the others", async () => {
  const away = connectRedis("redis://127.0.0.1:1");
  connections.push(away);
  const limiter = open({ redis: away, instances: () => 2 });
  assert.equal(await hammer([limiter], limit(0.001, 200, 1, { alonePercent: 25 }), 300), 25);
  assert.equal(await hammer([limiter], slidingWindow(200, 900), 300), 100);
});

test("a Redis that is killed in the middle: limits go on divided, and hold for all again when it is back", async () => {
  const own = await startOwnRedis({ keepsData: false });
  try {
    const pair = [await connect(own.url), await connect(own.url)];
    const limiters = pair.map((redis) => open({ redis, instances: () => 2 }));
    const at = limit(0.01, 400);
    assert.equal(await hammer(limiters, at, 200), 200);
    await sleep(1_200);
    await own.kill();
    const alone = await hammer(limiters, at, 800);
    // What each of them knew last may be a quarter of the limit old.
    assert.ok(alone >= 190 && alone <= 250, `${alone} of the 200 that were left`);
    await own.start();
    await Promise.all(pair.map((redis) => redis.ping()));
    await sleep(1_500);
    // An empty Redis knows of a full limit only; what both let through meanwhile was told to it.
    const rest = await hammer(limiters, at, 800);
    assert.ok(rest <= 250, `${rest}`);
    assert.equal(await hammer(limiters, at, 50), 0);
  } finally {
    await own.end();
  }
});

for (const breaker of [undefined, createBreaker({ name: "redis", title: "Redis" })])
  test(`a Redis that stood still is told once of what was let through meanwhile${breaker ? ", though calls were kept from it" : ""}`, async () => {
    const own = await startOwnRedis({ keepsData: false });
    try {
      const [redis, another] = [await connect(own.url, { breaker }), await connect(own.url)];
      const limiter = open({ redis });
      const at = limit(0.01, 2_000);
      const call = (calls: number) => withDeadline(new Deadline(60_000), () => hammer([limiter], at, calls));
      assert.equal(await call(100), 100);
      await another.call("CLIENT", "PAUSE", 4_000, "ALL");
      let taken = 100;
      for (const end = performance.now() + 4_000; performance.now() < end; ) {
        taken += await call(1);
        await sleep(8);
      }
      await sleep(1_500);
      // It gives back what it has leased.
      await limiter.close();
      const other = open({ redis: another });
      const left = await hammer([other], at, 2_500);
      assert.ok(Math.abs(left + taken - 2_000) <= 50, `${left} after ${taken}`);
    } finally {
      await own.end();
    }
  });

test("three hundred thousand addresses take a bounded part of memory, and the one that floods is still limited", async () => {
  const limiter = open();
  const at = limit(1_000, 5_000);
  const held = () => process.memoryUsage().heapUsed / 2 ** 20;
  for (let n = 0; n < 100_000; n++) await limiter.take(at, `2001:db8:${n}::/64`);
  const before = held();
  for (let n = 100_000; n < 300_000; n++) {
    const taken = limiter.take(at, `2001:db8:${n}::/64`);
    if (typeof taken !== "number") await taken;
    if (n % 20_000 === 0) await new Promise(setImmediate);
  }
  assert.ok(limiter.size <= 100_000, `${limiter.size}`);
  assert.ok(held() - before < 400, `${Math.round(held() - before)} MB more`);
  const began = performance.now();
  const taken = await hammer([limiter], at, 12_000, "192.0.2.1");
  const most = 5_000 + (performance.now() - began);
  assert.ok(taken <= most * 1.02, `${taken} of at most ${Math.round(most)}`);
});

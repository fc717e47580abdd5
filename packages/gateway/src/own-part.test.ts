// Both algorithms against models that are too slow to be wrong: every call that ever came, looked at again each time.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, test } from "node:test";
import { connectRedis, type Redis } from "@signalbox/core/redis";
import { limitScripts, windowParts } from "./limit-scripts.ts";
import { createOwnPart, type Part } from "./own-part.ts";

type Event = { at: number; weight: number };

/** All that was let through, and what a sum over it says. */
class Log {
  readonly let: Event[] = [];
  within(from: number, to: number): number {
    return this.let.reduce((sum, { at, weight }) => (at > from && at <= to ? sum + weight : sum), 0);
  }
}

/** Refills step by step from the first call on. */
function naiveBucket(quota: number, ratePerMs: number, taken: Event[], now: number): number {
  let tokens = quota;
  let at = taken[0]?.at ?? now;
  for (const event of taken) {
    tokens = Math.min(quota, tokens + (event.at - at) * ratePerMs) - event.weight;
    at = event.at;
  }
  return Math.min(quota, tokens + (now - at) * ratePerMs);
}

/** A stream of numbers that is the same for the same seed. */
function numbers(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

const seeds = Array.from({ length: 150 }, (_, seed) => seed + 1);

test("an instance's own bucket lets through exactly what the model does, whatever comes when", () => {
  for (const seed of seeds) {
    const next = numbers(seed);
    const part: Part = {
      algorithm: "token-bucket",
      quota: 1 + next(30),
      ratePerMs: (1 + next(50)) / 1_000,
      windowMs: 1_000,
    };
    const own = createOwnPart(part, part.quota, 0);
    const log = new Log();
    for (let n = 0, at = 0; n < 200; n++) {
      at += next(4) === 0 ? next(2_000) : next(10);
      const weight = Math.min(part.quota, 1 + next(4));
      const left = naiveBucket(part.quota, part.ratePerMs, log.let, at);
      // On the very edge both are right: the sums are of fractions.
      if (Math.abs(left - weight) < 1e-6) continue;
      const taken = own.take(weight, at);
      assert.equal(taken >= 0, left > weight, `seed ${seed}, call ${n}: ${left} left for ${weight}`);
      if (taken >= 0) log.let.push({ at, weight });
      else assert.ok(Math.abs(-taken - Math.max(1, (weight - left) / part.ratePerMs)) < 1e-3);
    }
  }
});

test("in no stretch of a window's length does an own window let more through, and it refuses only what would nearly be more", () => {
  for (const seed of seeds) {
    const next = numbers(seed);
    const quota = 1 + next(30);
    const windowMs = 200 * (1 + next(20));
    const part: Part = { algorithm: "sliding-window", quota, ratePerMs: 0, windowMs };
    const own = createOwnPart(part, quota, 0);
    const log = new Log();
    for (let n = 0, at = 0; n < 300; n++) {
      at += next(5) === 0 ? next(windowMs) : next(windowMs / 20);
      const weight = Math.min(quota, 1 + next(3));
      const taken = own.take(weight, at);
      if (taken >= 0) log.let.push({ at, weight });
      assert.ok(log.within(at - windowMs, at) <= quota, `seed ${seed}, call ${n}`);
      if (taken < 0) {
        const nearly = log.within(at - windowMs * (1 + 1 / windowParts) - 1, at);
        assert.ok(nearly + weight > quota, `seed ${seed}, call ${n}: refused with ${nearly} of ${quota}`);
      }
    }
  }
});

test("what was given back fits again, and what still counts is told", () => {
  for (const algorithm of ["token-bucket", "sliding-window"] as const) {
    const own = createOwnPart({ algorithm, quota: 5, ratePerMs: 0.0001, windowMs: 60_000 }, 5, 0);
    for (let n = 0; n < 5; n++) assert.ok(own.take(1, n) >= 0);
    assert.ok(own.take(1, 5) < 0);
    assert.equal(own.untold(5), algorithm === "token-bucket" ? 4 : 5);
    own.giveBack(2);
    assert.ok(own.take(2, 6) >= 0);
    assert.ok(own.take(1, 6) < 0);
  }
});

// ---- the same in Redis: its clock is in each answer, so the models can be asked about the very same instants ----

const prefix = `test-${randomBytes(6).toString("hex")}`;
let redis: Redis;
before(async () => {
  const { TEST_REDIS_URL } = process.env;
  if (!TEST_REDIS_URL) throw new Error("TEST_REDIS_URL must name a Redis");
  redis = connectRedis(TEST_REDIS_URL);
  await redis.ping();
});
after(async () => {
  const keys = await redis.keys(`${prefix}*`);
  if (keys.length > 0) await redis.del(...keys);
  redis.disconnect();
});

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

async function ask(algorithm: keyof typeof limitScripts, key: string, args: number[]) {
  const [granted, left, opens, now] = (await redis.eval(limitScripts[algorithm], 1, key, ...args)) as [
    number,
    string,
    string,
    string,
  ];
  return { granted, left: Number(left), opens: Number(opens), now: Number(now) };
}

test("Redis' bucket grants what the model does", async () => {
  await Promise.all(
    seeds.slice(0, 12).map(async (seed) => {
      const next = numbers(seed);
      const quota = 1 + next(30);
      const rate = (1 + next(200)) / 1_000;
      const log: Event[] = [];
      for (let n = 0; n < 80; n++) {
        if (next(3) === 0) await sleep(next(30));
        const want = 1 + next(5);
        const { granted, left, now } = await ask("token-bucket", `${prefix}:b${seed}`, [
          rate,
          quota,
          0,
          want,
        ]);
        const before = naiveBucket(quota, rate, log, now);
        // The clock is kept to a thousandth of a millisecond.
        const [low, high] = [before - 0.01, before + 0.01].map((tokens) =>
          Math.max(0, Math.min(want, Math.floor(tokens))),
        );
        assert.ok(granted >= low! && granted <= high!, `seed ${seed}, call ${n}: ${granted} of ${before}`);
        assert.ok(Math.abs(left - (before - granted)) < 0.05);
        log.push({ at: now, weight: granted });
      }
    }),
  );
});

test("Redis' window never lets more than its quota into any window, and refuses only what would nearly be more", async () => {
  await Promise.all(
    seeds.slice(0, 12).map(async (seed) => {
      const next = numbers(seed);
      const quota = 1 + next(20);
      const windowMs = 100 + next(300);
      const log = new Log();
      for (let n = 0; n < 100; n++) {
        if (next(2) === 0) await sleep(next(windowMs / 8));
        const want = 1 + next(3);
        const key = `${prefix}:w${seed}`;
        const { granted, now, opens } = await ask("sliding-window", key, [
          windowMs / windowParts,
          quota,
          0,
          want,
        ]);
        if (granted > 0) log.let.push({ at: now, weight: granted });
        assert.ok(log.within(now - windowMs, now) <= quota, `seed ${seed}, call ${n}`);
        if (granted < want) {
          const nearly = log.within(now - windowMs * (1 + 1 / windowParts) - 1, now);
          assert.ok(nearly + (want - granted) > quota, `seed ${seed}, call ${n}: ${nearly} of ${quota}`);
          assert.ok(opens > 0 && opens <= windowMs * (1 + 1 / windowParts) + 1);
        }
      }
    }),
  );
});

test("a clock that was ahead, as after a change of the primary, neither blocks nor opens a limit", async () => {
  const hour = 3_600_000;
  const ahead = Date.now() + hour;
  await redis.hset(`${prefix}:ahead-b`, "tokens", "0", "at", String(ahead));
  const bucket = await ask("token-bucket", `${prefix}:ahead-b`, [0.1, 10, 0, 1]);
  assert.equal(bucket.granted, 0);
  await sleep(60);
  assert.ok((await ask("token-bucket", `${prefix}:ahead-b`, [0.1, 10, 0, 1])).granted === 1);

  const part = 50;
  await redis.hset(`${prefix}:ahead-w`, String(Math.floor(ahead / part)), "10");
  assert.equal((await ask("sliding-window", `${prefix}:ahead-w`, [part, 10, 0, 20])).granted, 10);
});

test("a window takes back what was not used, newest first, and never more than there was", async () => {
  const key = `${prefix}:back`;
  assert.equal((await ask("sliding-window", key, [1_000, 10, 0, 10])).granted, 10);
  assert.equal((await ask("sliding-window", key, [1_000, 10, -4, 0])).left, 4);
  assert.equal((await ask("sliding-window", key, [1_000, 10, -50, 0])).left, 10);
});

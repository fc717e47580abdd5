// All stages together, as every call meets them.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, test } from "node:test";
import { fixedLive } from "@signalbox/control/live";
import { createLogger } from "@signalbox/core/log";
import { connectRedis, type Redis } from "@signalbox/core/redis";
import { createSignals } from "@signalbox/core/signals/signals";
import { createGateway } from "./index.ts";
import { awaited, testCall } from "./testing.ts";

const log = createLogger({ name: "test", level: "silent" });
const prefix = `test-${randomBytes(6).toString("hex")}`;
let redis: Redis;

before(async () => {
  const { TEST_REDIS_URL } = process.env;
  if (!TEST_REDIS_URL) throw new Error("TEST_REDIS_URL must name a Redis");
  redis = connectRedis(TEST_REDIS_URL);
  await redis.ping();
});
after(async () => {
  const keys = await redis.keys(`${prefix}:*`);
  if (keys.length > 0) await redis.del(...keys);
  redis.disconnect();
});

function open(live = fixedLive(), connection = redis) {
  const instance = {
    id: `i-${randomBytes(3).toString("hex")}`,
    name: "api",
    version: "1",
    track: "stable" as const,
  };
  const signals = createSignals({ redis: connection, log, instance, prefix });
  const gateway = createGateway({ live, redis: connection, log, signals, instance, prefix });
  return { gateway, signals, live };
}

test("a switch refuses before a limit is charged, and both are counted as refused", async () => {
  const { gateway, signals, live } = open(fixedLive({ limits: { "feed.post": { rate: 0.001, burst: 1 } } }));
  const call = () => testCall({ caller: { kind: "user", id: "ann", address: "192.0.2.9" } });
  live.set({ ...live.current(), switches: { feed: { state: "off", message: "paused" } } });
  for (let n = 0; n < 3; n++)
    await assert.rejects(
      awaited(gateway)(call(), async () => 1),
      { code: "disabled" },
    );
  live.set({ ...live.current(), switches: {} });
  assert.equal(await gateway(call(), async () => 1), 1);
  await assert.rejects(
    awaited(gateway)(call(), async () => 1),
    { code: "rate_limited" },
  );
  const [item] = (await signals.readGolden({ window: "30s", by: "endpoint" })).items;
  assert.deepEqual([item?.requests, item?.refused, item?.errors], [5, 4, 0]);
  await gateway.close();
});

test("with Redis away every call is still answered, within its limit", async () => {
  const away = connectRedis("redis://127.0.0.1:1");
  const { gateway } = open(fixedLive({ limits: { user: { rate: 0.001, burst: 20 } } }), away);
  let taken = 0;
  for (let n = 0; n < 50; n++)
    await awaited(gateway)(testCall(), async () => ++taken).catch((error) =>
      assert.equal(error.code, "rate_limited"),
    );
  assert.equal(taken, 20);
  await gateway.close();
  away.disconnect();
});

test("the whole gateway costs a call a few microseconds", async () => {
  const { gateway } = open(
    fixedLive({
      switches: { "feed.post.create": { state: "on" }, users: { state: "off", share: 1 } },
      limits: {
        user: { rate: 100_000, burst: 1_000_000 },
        address: { rate: 100_000, burst: 1_000_000, by: "address" },
      },
    }),
  );
  const answer = async () => 1;
  const callers = Array.from({ length: 1_000 }, (_, n) => ({
    kind: "user" as const,
    id: `user-${n}`,
    address: `192.0.2.${n % 250}`,
  }));
  const run = async (rounds: number) => {
    const began = performance.now();
    for (let n = 0; n < rounds; n++) await gateway(testCall({ caller: callers[n % 1_000]! }), answer);
    return ((performance.now() - began) / rounds) * 1_000;
  };
  const bare = async (rounds: number) => {
    const began = performance.now();
    for (let n = 0; n < rounds; n++) {
      testCall({ caller: callers[n % 1_000]! });
      await answer();
    }
    return ((performance.now() - began) / rounds) * 1_000;
  };
  await run(20_000);
  await bare(20_000);
  const us = (await run(60_000)) - (await bare(60_000));
  console.log(`# the gateway: ${us.toFixed(2)} µs a call`);
  assert.ok(us < 50);
  await gateway.close();
});

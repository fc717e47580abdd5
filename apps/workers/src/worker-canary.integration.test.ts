// A release of workers takes whole partitions, more of them as its share grows, and loses no event on the way there and back.

import assert from "node:assert/strict";
import { test } from "node:test";
import { bucketOf } from "@signalbox/control/bucket";
import { until } from "@signalbox/control/testing";
import { encodeEvent } from "@signalbox/core/bus/envelope";
import { busKeys, defaultPartitions } from "@signalbox/core/bus/keys";
import { partitionOf } from "@signalbox/core/bus/partition";
import { createRedisBus } from "@signalbox/core/bus/redis-bus";
import { beginning, streamId } from "@signalbox/core/bus/stream-id";
import { streamPublisher } from "@signalbox/core/bus/stream-publisher";
import { newId } from "@signalbox/core/ids";
import { createLogger } from "@signalbox/core/log";
import { connectRedis } from "@signalbox/core/redis";
import { connectDatabase } from "@signalbox/db";
import { createBusStore } from "@signalbox/db/bus-store";
import { createTestDatabase } from "@signalbox/db/testing";

test("partitions follow the canary's share", async () => {
  const url = process.env.TEST_REDIS_URL!;
  const database = await createTestDatabase();
  const { sql, close } = connectDatabase(database.url, { name: "test", poolSize: 4 });
  const redis = connectRedis(url);
  const prefix = `test-${newId()}`;
  const keys = busKeys(prefix);
  await redis.rpush(keys.epochs, "1.1.1");
  const publisher = streamPublisher(
    redis,
    keys,
    "1.1.1",
    Array.from({ length: defaultPartitions }, () => beginning),
  );
  let share = 0;
  const handled = { stable: new Set<string>(), canary: new Set<string>() };
  const join = (track: "stable" | "canary") => {
    const bus = createRedisBus({
      ...{ url, prefix, track, store: createBusStore(sql) },
      log: createLogger({ name: "test", level: "silent" }),
      canaryOf: () => ({ share, rank: (partition) => bucketOf("canary:worker:feed", `p${partition}`) }),
    });
    bus.consume("feed", async ({ id }) => void handled[track].add(id));
    return bus;
  };
  const buses = [join("stable"), join("canary")] as const;
  const held = () => buses.map((bus) => bus.held().feed ?? []) as [number[], number[]];
  const spread = (canary: number) =>
    until(
      `${canary} partitions for the canary`,
      () => held()[1].length === canary && held()[0].length === defaultPartitions - canary,
      30_000,
    );
  let published = 0;
  const publish = async () => {
    for (let n = 0; n < 40; n++) {
      published += 1;
      const key = `user-${n}`;
      const event = {
        id: newId(),
        key,
        topic: "post.created",
        version: 1,
        payload: {},
        at: new Date().toISOString(),
      };
      const text = encodeEvent({ ...event, requestId: "r", traceparent: "" } as Parameters<
        typeof encodeEvent
      >[0]);
      const entry = { id: streamId(BigInt(published), 0), text, safeAt: Date.now() };
      await publisher.append(partitionOf(key, defaultPartitions), [entry]);
    }
  };
  try {
    await spread(0);
    await publish();
    share = 25;
    await spread(2);
    const few = held()[1];
    await publish();
    share = 50;
    await publish();
    await spread(4);
    for (const partition of few) assert.ok(held()[1].includes(partition), "none leaves while a share grows");
    await until("the canary works", () => handled.canary.size > 0, 30_000);
    // Aborted: everything is the stable workers' again.
    share = 0;
    await publish();
    await spread(0);
    const all = () => new Set([...handled.stable, ...handled.canary]).size;
    await until("every event is handled", () => all() === published, 30_000);
  } finally {
    await Promise.all(buses.map((bus) => bus.close()));
    await redis.del(...(await redis.keys(`${prefix}:*`)));
    redis.disconnect();
    await close();
    await database.drop();
  }
});

// The bus's contract, kept by Redis Streams.

import { busContract } from "@signalbox/core/bus/contract";
import { encodeEvent } from "@signalbox/core/bus/envelope";
import { busKeys, defaultPartitions } from "@signalbox/core/bus/keys";
import { partitionOf } from "@signalbox/core/bus/partition";
import { createRedisBus } from "@signalbox/core/bus/redis-bus";
import { beginning, streamId } from "@signalbox/core/bus/stream-id";
import { type Entry, streamPublisher } from "@signalbox/core/bus/stream-publisher";
import { newId } from "@signalbox/core/ids";
import { createLogger } from "@signalbox/core/log";
import { connectRedis } from "@signalbox/core/redis";
import { forgetKeys } from "@signalbox/core/testing/forget-keys";
import { connectDatabase } from "@signalbox/db";
import { createBusStore } from "@signalbox/db/bus-store";
import { listDeadLetters, replayDeadLetters } from "@signalbox/db/dead-letters";
import { createTestDatabase } from "@signalbox/db/testing";

busContract("Redis Streams", async () => {
  const url = process.env.TEST_REDIS_URL!;
  const database = await createTestDatabase();
  const { sql, close } = connectDatabase(database.url, { name: "test", poolSize: 4 });
  const redis = connectRedis(url);
  const prefix = `test-${newId()}`;
  const keys = busKeys(prefix);
  const epoch = "1.1.1";
  await redis.rpush(keys.epochs, epoch);
  const publisher = streamPublisher(
    redis,
    keys,
    epoch,
    Array.from({ length: defaultPartitions }, () => beginning),
  );
  let lsn = 0n;
  const log = createLogger({ name: "test", level: process.env.TEST_LOG_LEVEL || "silent" });
  return {
    join: () => createRedisBus({ url, log, prefix, store: createBusStore(sql) }),
    async publish(events) {
      lsn += 1n;
      const parts = Map.groupBy(
        events.map((event, n): Entry & { partition: number } => ({
          id: streamId(lsn, n),
          text: encodeEvent(event),
          safeAt: Date.now(),
          partition: partitionOf(event.key, defaultPartitions),
        })),
        ({ partition }) => partition,
      );
      for (const [partition, entries] of parts) await publisher.append(partition, entries);
    },
    replay: async (group) => void (await replayDeadLetters(sql, { group })),
    deadLetters: (group) => listDeadLetters(sql, { group }),
    async close() {
      await forgetKeys(redis, `${prefix}:*`);
      redis.disconnect();
      await close();
      await database.drop();
    },
  };
});

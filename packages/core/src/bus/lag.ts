// How many events a group has before it, and how long the oldest of them waits.

import type { Redis } from "../redis.ts";
import type { PartitionLag } from "./bus.ts";
import { countAfter, readCursor } from "./cursor.ts";
import { decodeEvent } from "./envelope.ts";
import { type BusKeys, busKeys, defaultPartitions } from "./keys.ts";
import { beginning } from "./stream-id.ts";

export function readLag(
  redis: Redis,
  group: string,
  { keys = busKeys(), partitions = defaultPartitions }: { keys?: BusKeys; partitions?: number } = {},
): Promise<PartitionLag[]> {
  return Promise.all(
    Array.from({ length: partitions }, (_, partition) => lagOf(redis, keys, group, partition)),
  );
}

async function lagOf(redis: Redis, keys: BusKeys, group: string, partition: number): Promise<PartitionLag> {
  const epochs = await redis.lrange(keys.epochs, 0, -1);
  const cursor = await readCursor(redis, keys, group, partition);
  const from = cursor ? Math.max(0, epochs.indexOf(cursor.epoch)) : 0;
  let events = cursor?.pending.length ?? 0;
  let oldest: string | undefined;
  if (cursor?.pending[0]) {
    const [entry] = await redis.xrange(
      keys.stream(partition, cursor.epoch),
      cursor.pending[0],
      cursor.pending[0],
    );
    oldest = entry?.[1][1];
  }
  for (const epoch of epochs.slice(from)) {
    const head = cursor?.epoch === epoch ? cursor.head : beginning;
    const [count, first] = (await countAfter(redis, [keys.stream(partition, epoch)], [head])) as [
      number,
      string | null,
    ];
    events += count;
    oldest ??= first ?? undefined;
  }
  const oldestMs = oldest === undefined ? 0 : Math.max(0, Date.now() - Date.parse(decodeEvent(oldest).at));
  return { partition, events: Math.min(events, 10_000), oldestMs };
}

// Forgets from Redis what every group has handled and nobody would want again from here. The outbox table keeps it longer.

import type { Redis } from "../redis.ts";
import { decodeEvent } from "./envelope.ts";
import type { BusKeys } from "./keys.ts";
import { compareIds } from "./stream-id.ts";

export type Keep = {
  /** Entries older than this go. */
  hours: number;
  /** Of a partition; more than this, and the oldest go. */
  entries: number;
};

/** Answers how many entries went. A group that once consumed holds on to what it has not handled. */
export async function trimStreams(
  redis: Redis,
  keys: BusKeys,
  partitions: number,
  keep: Keep,
  now = Date.now(),
): Promise<number> {
  const epochs = await redis.lrange(keys.epochs, 0, -1);
  let trimmed = 0;
  for (let partition = 0; partition < partitions; partition++) {
    const cursors = Object.values(await redis.hgetall(keys.cursors(partition))).map(
      (text) => JSON.parse(text) as { epoch: string; head: string; pending: string[] },
    );
    if (cursors.length === 0) continue;
    for (const [at, epoch] of epochs.entries()) {
      if (cursors.some((cursor) => epochs.indexOf(cursor.epoch) < at)) break;
      // Whoever is in a later epoch is through with this one.
      const places = cursors
        .filter((cursor) => cursor.epoch === epoch)
        .map((cursor) => cursor.pending[0] ?? cursor.head);
      trimmed += await trimStream(redis, keys.stream(partition, epoch), places, keep, now);
    }
  }
  return trimmed;
}

async function trimStream(
  redis: Redis,
  stream: string,
  places: string[],
  keep: Keep,
  now: number,
): Promise<number> {
  const page = 500;
  let trimmed = 0;
  for (;;) {
    const excess = (await redis.xlen(stream)) - keep.entries;
    const oldest = await redis.xrange(stream, "-", "+", "COUNT", page + 1);
    let upTo: string | undefined;
    for (const [at, [id, [, text = "{}"]]] of oldest.entries()) {
      const isHandled = places.every((place) => compareIds(id, place) <= 0);
      const isOld = at < excess || Date.parse(decodeEvent(text).at) < now - keep.hours * 3_600_000;
      if (!isHandled || !isOld) break;
      upTo = id;
    }
    // Everything below it goes; it goes itself with the next page.
    const gone = upTo === undefined ? 0 : await redis.xtrim(stream, "MINID", upTo);
    trimmed += gone;
    if (gone < page) return trimmed;
  }
}

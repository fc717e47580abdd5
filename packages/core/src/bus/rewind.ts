// Moves a group back to an instant or an event, so that it reads what came since once more.

import type { Redis } from "../redis.ts";
import type { BusEvent } from "./bus.ts";
import { before, type Cursor, moveCursor } from "./cursor.ts";
import { decodeEvent } from "./envelope.ts";
import type { BusKeys } from "./keys.ts";

export async function rewindPartition(
  redis: Redis,
  keys: BusKeys,
  group: string,
  partition: number,
  to: { at: Date } | { id: string },
): Promise<number> {
  const epochs = await redis.lrange(keys.epochs, 0, -1);
  const isFrom = (event: BusEvent) =>
    "at" in to ? Date.parse(event.at) >= to.at.getTime() : event.id === to.id;
  let events = 0;
  let cursor: Cursor | undefined;
  for (const epoch of epochs) {
    const stream = keys.stream(partition, epoch);
    let from = "-";
    for (;;) {
      const page = await redis.xrange(stream, from, "+", "COUNT", 1_000);
      for (const [id, [, text = "{}"]] of page) {
        if (!cursor && isFrom(decodeEvent(text)))
          cursor = { epoch, head: before(id), pending: [], safeAt: 0 };
        if (cursor) events += 1;
      }
      if (page.length < 1_000) break;
      from = `(${page.at(-1)![0]}`;
    }
  }
  if (!cursor) return 0;
  await moveCursor(
    redis,
    [keys.lease(partition, group), keys.cursors(partition)],
    [group, JSON.stringify(cursor)],
  );
  return events;
}

// How far a group is in a partition, kept in Redis beside the stream, and moved only by whoever holds the partition.

import type { Redis } from "../redis.ts";
import type { BusKeys } from "./keys.ts";
import type { Lease } from "./leases.ts";
import { luaScript } from "./script.ts";
import { beginning } from "./stream-id.ts";

export type Cursor = { epoch: string; head: string; pending: string[]; safeAt: number };

// Each is kept only while its lease is ours; of all groups that read a partition in one step, because one event moves all of them.
const commit = luaScript(`
local kept = {}
for i = 2, #KEYS do
  local at = (i - 2) * 3
  if redis.call('GET', KEYS[i]) == ARGV[at + 1] then
    redis.call('HSET', KEYS[1], ARGV[at + 2], ARGV[at + 3])
    kept[i - 1] = 1
  else kept[i - 1] = 0 end
end
return kept
`);

type Place = { lease: Lease; cursor: Cursor };

/** All of one partition. Says of each whether its lease was still ours. */
export async function commitCursors(redis: Redis, keys: BusKeys, places: Place[]): Promise<boolean[]> {
  const { partition } = places[0]!.lease;
  const kept = await commit(
    redis,
    [keys.cursors(partition), ...places.map(({ lease: { group } }) => keys.lease(partition, group))],
    places.flatMap(({ lease: { token, group }, cursor }) => [token, group, JSON.stringify(cursor)]),
  );
  return (kept as number[]).map((one) => one === 1);
}

// Whoever holds the partition loses it in the same step, and cannot put the old place back.
export const moveCursor = luaScript(`
redis.call('DEL', KEYS[1])
return redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
`);

/** How many entries come after an id, 10,000 at most, and the first of them. */
export const countAfter = luaScript(`
local entries = redis.call('XRANGE', KEYS[1], '(' .. ARGV[1], '+', 'COUNT', 10000)
return {#entries, entries[1] and entries[1][2][2] or false}
`);

export async function readCursor(
  redis: Redis,
  keys: BusKeys,
  group: string,
  partition: number,
): Promise<Cursor | undefined> {
  const text = await redis.hget(keys.cursors(partition), group);
  return text === null ? undefined : (JSON.parse(text) as Cursor);
}

/** The largest id below this one, for saying "everything before it is handled". */
export function before(id: string): string {
  const [lsn = "0", n = "0"] = id.split("-");
  if (n !== "0") return `${lsn}-${BigInt(n) - 1n}`;
  return lsn === "0" ? beginning : `${BigInt(lsn) - 1n}-18446744073709551615`;
}

// Appends to the partitions' streams, and notices at once when Redis does not hold what it held before.

import type { Redis } from "../redis.ts";
import type { BusKeys } from "./keys.ts";
import { luaScript } from "./script.ts";
import { beginning, compareIds, laterId } from "./stream-id.ts";

/** An event on its way into a stream. */
export type Entry = {
  id: string;
  /** The event as JSON. */
  text: string;
  /** Every outbox row whose transaction began before this instant was published before this entry. */
  safeAt: number;
};

/** Redis holds less than was published: the outbox table must fill the gap. */
export class StreamsForgot extends Error {
  constructor(partition: number, expected: string, found: string) {
    super(`partition ${partition} ends at ${found}, although ${expected} was published`);
  }
}

// Compares before it appends, in one step: nothing can be put behind a gap, whatever happened in between. An id that is
// already there is refused by XADD itself: that event was delivered twice.
const append = luaScript(`
local found = '0-0'
local info = redis.pcall('XINFO', 'STREAM', KEYS[1])
if not info.err then
  for i = 1, #info, 2 do if info[i] == 'last-generated-id' then found = info[i + 1] end end
elseif not string.find(info.err, 'no such key') then
  return redis.error_reply(info.err)
end
if found ~= ARGV[1] then return {'moved', found} end
local refused = 0
for i = 2, #ARGV, 3 do
  local done = redis.pcall('XADD', KEYS[1], ARGV[i], 'e', ARGV[i + 1], 's', ARGV[i + 2])
  if type(done) == 'table' and done.err then
    if string.find(done.err, 'equal or smaller') then refused = refused + 1 else return redis.error_reply(done.err) end
  end
end
return {'ok', refused}
`);

export type StreamTop = { id: string; length: number; safeAt: number | undefined };

export async function readTop(redis: Redis, stream: string): Promise<StreamTop> {
  let info: unknown[];
  try {
    info = (await redis.xinfo("STREAM", stream)) as unknown[];
  } catch (error) {
    if (error instanceof Error && error.message.includes("no such key"))
      return { id: beginning, length: 0, safeAt: undefined };
    throw error;
  }
  const field = (name: string) => info[info.indexOf(name) + 1];
  const last = field("last-entry") as [string, string[]] | null;
  const safe = last ? last[1][last[1].indexOf("s") + 1] : undefined;
  return {
    id: String(field("last-generated-id")),
    length: Number(field("length")),
    safeAt: safe === undefined ? undefined : Number(safe),
  };
}

export type StreamPublisher = {
  append(partition: number, entries: Entry[]): Promise<{ refused: number }>;
};

export function streamPublisher(redis: Redis, keys: BusKeys, epoch: string, tops: string[]): StreamPublisher {
  // A script's arguments live on Lua's stack, which has room for some thousands.
  const slice = 500;

  async function appendSlice(partition: number, entries: Entry[]): Promise<number> {
    const last = entries.at(-1)!.id;
    const values = entries.flatMap(({ id, text, safeAt }) => [id, text, safeAt]);
    for (;;) {
      const [word, more] = (await append(
        redis,
        [keys.stream(partition, epoch)],
        [tops[partition]!, ...values],
      )) as [string, string | number];
      if (word === "ok") {
        tops[partition] = laterId(tops[partition]!, last);
        return Number(more);
      }
      const found = String(more);
      if (compareIds(found, tops[partition]!) < 0)
        throw new StreamsForgot(partition, tops[partition]!, found);
      // Further than we knew: an append whose answer got lost, or another relay. Ids are the same for the same events.
      tops[partition] = found;
    }
  }

  return {
    async append(partition, entries) {
      let refused = 0;
      for (let at = 0; at < entries.length; at += slice)
        refused += await appendSlice(partition, entries.slice(at, at + slice));
      return { refused };
    },
  };
}

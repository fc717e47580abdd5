// What the platform itself holds of a person, whatever the modules do: events on their way, keys of calls, sealed parts.

import { busKeys, defaultPartitions } from "@signalbox/core/bus/keys";
import { compareIds } from "@signalbox/core/bus/stream-id";
import { tables } from "@signalbox/db";
import { eq } from "@signalbox/db/query";
import type { Ctx } from "../ctx.ts";
import type { Holding } from "../holding.ts";
import { untilNone } from "../holding.ts";
import { pruneIdempotencyKeys } from "../idempotency.ts";
import { dropKey } from "../vault.ts";
import { entriesOf, keysOf } from "./traces.ts";

const { personalArchives } = tables;

export const platformHolding: Holding = {
  name: "platform",
  kept: {
    "calls with an Idempotency-Key": "24 hours, sealed",
    "events on their way": "2 days after they were handled",
    "archives of exports": "7 days, sealed",
    "the user's own key": "as long as the account",
    "handles of erased accounts": "30 days, as a MAC",
  },
  async *export() {},
  // First of all: whatever is sealed and is reached by no later step can not be read from here on.
  leave: (ctx, userId) => dropKey(ctx, userId),
  erase: [
    { name: "key", run: (ctx, userId) => dropKey(ctx, userId).then(() => 1) },
    {
      name: "archives",
      run: async ({ db }, userId) =>
        (
          await db
            .delete(personalArchives)
            .where(eq(personalArchives.userId, userId))
            .returning({ part: personalArchives.part })
        ).length,
    },
    {
      name: "calls",
      run: async ({ sql }, userId) =>
        (await sql`delete from idempotency_keys where user_id = ${userId}`).count,
    },
    { name: "events", run: eraseEvents },
    { name: "stream", run: eraseFromStreams },
    { name: "redis", run: eraseKeys },
  ],
  expire: [
    { name: "calls", run: (ctx) => untilNone(async () => ({ count: await pruneIdempotencyKeys(ctx) })) },
    {
      name: "archives",
      run: async ({ sql }) =>
        (
          await sql`delete from personal_archives where request_id in
            (select id from personal_requests where expires_at <= now())`
        ).count,
    },
    {
      name: "requests",
      run: async ({ sql }) =>
        (await sql`delete from personal_requests where finished_at < now() - interval '90 days'`).count,
    },
    {
      name: "held handles",
      run: async ({ sql }) => (await sql`delete from held_handles where until <= now()`).count,
    },
  ],
};

/** They left through the log of the database, which deleting here does not touch; the bus has them. */
async function eraseEvents({ sql }: Ctx, userId: string): Promise<number> {
  return sql.begin(async (sql) => {
    await sql`set local statement_timeout = 0`;
    const mentions = `%${userId}%`;
    const sent = await sql`delete from outbox where key = ${userId} or payload::text like ${mentions}`;
    const dead = await sql`delete from dead_letters where key = ${userId} or event::text like ${mentions}`;
    return sent.count + dead.count;
  });
}

/** Only what every group has handled; the rest is found by the search at the end, and then this runs again. */
async function eraseFromStreams({ redis }: Ctx, userId: string): Promise<number> {
  const keys = busKeys();
  const epochs = await redis.lrange(keys.epochs, 0, -1);
  let gone = 0;
  for (let partition = 0; partition < defaultPartitions; partition++) {
    const cursors = Object.values(await redis.hgetall(keys.cursors(partition))).map(
      (text) => JSON.parse(text) as { epoch: string; head: string; pending: string[] },
    );
    for (const [at, epoch] of epochs.entries()) {
      const isHandled = (id: string) =>
        cursors.every((cursor) =>
          cursor.epoch === epoch
            ? compareIds(id, cursor.head) <= 0 && !cursor.pending.includes(id)
            : epochs.indexOf(cursor.epoch) > at,
        );
      const stream = keys.stream(partition, epoch);
      for await (const { id, text } of entriesOf(redis, stream))
        if (text.includes(userId) && isHandled(id)) gone += await redis.xdel(stream, id);
    }
  }
  return gone;
}

/** Whatever bears the id in its name is a copy or a counter of his: limits, cached values, lists. */
async function eraseKeys({ redis }: Ctx, userId: string): Promise<number> {
  const prefix = redis.options.keyPrefix ?? "";
  let gone = 0;
  for await (const keys of keysOf(redis, `*${userId}*`))
    for (const key of keys) gone += await redis.unlink(key.slice(prefix.length));
  return gone;
}

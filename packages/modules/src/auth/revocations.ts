// Sessions that ended before their access tokens did: told to every instance at once through Redis, and asked for in Postgres, so
// that a token of an ended session is refused within a second even while Redis is away.

import { listen } from "@signalbox/core/listen";
import type { Logger } from "@signalbox/core/log";
import type { Redis } from "@signalbox/core/redis";
import type { Sql } from "@signalbox/db";
import { accessSeconds } from "./keys.ts";

const channel = "auth:revoked";
const pollMs = 5_000;
/** While nobody tells us, we ask often enough to keep the promise of one second. */
const pollAloneMs = 600;

export type Revocations = {
  has(sessionId: string): boolean;
  /** After the database knows: in force here now, and on the other instances a moment later. */
  announce(sessionIds: string[]): Promise<void>;
  start(): Promise<void>;
  close(): Promise<void>;
};

export function createRevocations({ sql, redis, log }: { sql: Sql; redis: Redis; log: Logger }): Revocations {
  // By session, until when its last access token could live.
  const ended = new Map<string, number>();
  let listener: ReturnType<typeof listen> | undefined;
  let timer: NodeJS.Timeout | undefined;
  let closed = false;

  const add = (ids: string[]) => {
    const until = Date.now() + accessSeconds * 1_000;
    for (const id of ids) ended.set(id, until);
  };

  async function poll() {
    const rows = await sql<{ id: string }[]>`
      select id from sessions where revoked_at > now() - ${accessSeconds} * interval '1 second'`;
    const now = Date.now();
    for (const [id, until] of ended) if (until < now) ended.delete(id);
    add(rows.map(({ id }) => id));
  }

  function schedule() {
    if (closed) return;
    const told = listener?.connected;
    timer = setTimeout(
      async () => {
        await poll().catch((error) => log.debug({ error }, "revoked sessions not readable; asking again"));
        schedule();
      },
      told ? pollMs : pollAloneMs,
    );
    timer.unref();
  }

  return {
    has: (sessionId) => ended.has(sessionId),
    async announce(ids) {
      add(ids);
      if (ids.length === 0) return;
      await redis
        .publish(channel, JSON.stringify(ids))
        .catch((error) =>
          log.warn({ error }, "the other instances learn of ended sessions by asking, within a second"),
        );
    },
    async start() {
      // What was said while the connection was lost is asked for once it is back.
      listener = listen(redis, channel, {
        message: (text) => add(JSON.parse(text)),
        ready: () => void poll().catch(() => {}),
      });
      await poll().catch((error) => log.warn({ error }, "revoked sessions not readable yet; asking again"));
      schedule();
    },
    async close() {
      closed = true;
      clearTimeout(timer);
      listener?.close();
    },
  };
}

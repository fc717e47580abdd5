// Moves sessions one refresh token on. Those asked for in the same moment go in one statement, each under its own guard, so that
// a crowd that comes back after an outage costs the database a commit a batch and not a commit each.

import { onceFor } from "@signalbox/core/once-for";
import { currentDeadline, onEnd } from "@signalbox/core/resilience/deadline";
import type { Sql } from "@signalbox/db";
import type { Ctx } from "../ctx.ts";
import { type RefreshClaim, type Role, refreshMs, sessionMs } from "./tokens.ts";

export type Moved = { counter: number; role: Role };

type Waiting = {
  claim: RefreshClaim;
  settle(error: unknown, moved?: Moved): void;
};
type Queue = { waiting: Waiting[]; underWay: number; scheduled: boolean };

const maxRows = 64;
/** While one batch is committed the next ones are gathered and sent: the database flushes what waits for it together. */
const maxUnderWay = 4;
/** What waits goes in halves, so that this process answers one while the database commits the other; few are not parted. */
const minRows = 16;
/** Fewer wait until a batch that is under way has ended: one commit for them is cheaper than two, and it ends soon. */
const worthACommit = 8;

// By client, because several installs can live in one process (tests do).
const queueBy = onceFor((_sql: Sql): Queue => ({ waiting: [], underWay: 0, scheduled: false }));

/** Exactly one of those who show a token at the same time moves its session on; undefined: it had moved on before, or ended. */
export async function moveOn(ctx: Ctx, claim: RefreshClaim): Promise<Moved | undefined> {
  return (await moveInBatch(ctx.shared.sql, claim)) ?? moveAlone(ctx.sql, claim);
}

function moveInBatch(sql: Sql, claim: RefreshClaim): Promise<Moved | undefined> {
  const queue = queueBy(sql);
  const deadline = currentDeadline();
  return new Promise((resolve, reject) => {
    const watch = deadline && onEnd(deadline, reject);
    queue.waiting.push({
      claim,
      settle(error, moved) {
        watch?.[Symbol.dispose]();
        if (error) reject(error);
        else resolve(moved);
      },
    });
    if (queue.scheduled) return;
    queue.scheduled = true;
    // After all that came in with the same look at the sockets.
    setImmediate(() => {
      queue.scheduled = false;
      send(sql, queue);
    });
  });
}

function send(sql: Sql, queue: Queue): void {
  const rows = Math.min(maxRows, Math.max(minRows, Math.ceil(queue.waiting.length / 2)));
  const isDue = () => queue.waiting.length >= (queue.underWay === 0 ? 1 : worthACommit);
  while (isDue() && queue.underWay < maxUnderWay) {
    queue.underWay += 1;
    void moveAll(sql, queue.waiting.splice(0, rows)).finally(() => {
      queue.underWay -= 1;
      send(sql, queue);
    });
  }
}

async function moveAll(sql: Sql, batch: Waiting[]): Promise<void> {
  const claims = batch.map(({ claim }) => claim);
  try {
    // A row that somebody holds is passed over: one slow change of one session must not keep all others waiting.
    const rows = await sql<(Moved & { id: string })[]>`
      with due as (
        select sessions.user_id, sessions.id
        from unnest(${claims.map(({ userId }) => userId)}::uuid[], ${claims.map(({ sessionId }) => sessionId)}::uuid[],
          ${claims.map(({ counter }) => counter)}::int[]) as asked (user_id, id, counter)
        join sessions on sessions.user_id = asked.user_id and sessions.id = asked.id and sessions.counter = asked.counter
        where revoked_at is null and expires_at > now()
        for update of sessions skip locked)
      update sessions set ${next(sql)}
      from due where sessions.user_id = due.user_id and sessions.id = due.id
      returning sessions.id, ${now(sql)}`;
    const moved = new Map(rows.map(({ id, counter, role }) => [id, { counter, role }]));
    // One token shown twice in a batch is as good as shown again a moment later: it gets the same answer.
    for (const { claim, settle } of batch) {
      const its = moved.get(claim.sessionId);
      settle(undefined, its?.counter === claim.counter + 1 ? its : undefined);
    }
  } catch (error) {
    for (const { settle } of batch) settle(error);
  }
}

/** For a row that somebody held: waits for him. */
async function moveAlone(sql: Sql, { userId, sessionId, counter }: RefreshClaim): Promise<Moved | undefined> {
  const [moved] = await sql<Moved[]>`
    update sessions set ${next(sql)}
    where user_id = ${userId} and id = ${sessionId} and counter = ${counter} and revoked_at is null and expires_at > now()
    returning ${now(sql)}`;
  return moved;
}

const next = (sql: Sql) => sql`
  counter = sessions.counter + 1, rotated_at = now(),
  expires_at = least(now() + ${refreshMs} * interval '1 millisecond', created_at + ${sessionMs} * interval '1 millisecond')`;
const now = (sql: Sql) => sql`
  sessions.counter, (select role from credentials where credentials.user_id = sessions.user_id) as role`;

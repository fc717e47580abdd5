// A new session. Whoever signs in in the same moment is let in by the same statement, each under a guard of his own, so that a crowd
// costs the database a commit for several and not a commit each.

import { createGather } from "@signalbox/core/gather";
import { newId } from "@signalbox/core/ids";
import { onceFor } from "@signalbox/core/once-for";
import type { Sql } from "@signalbox/db";
import type { Ctx } from "../ctx.ts";
import { expiryOf } from "./sessions.ts";

type Opening = { id: string; userId: string; passwordHash: string; device: Buffer; expiresAt: string };

const together = onceFor((sql: Sql) =>
  createGather(
    // An account that is being changed is passed over: one slow change must not keep all others waiting.
    (asked: Opening[]) => openAll(sql, asked, sql`skip locked`),
    { mostUnderWay: 2, endsWithCall: true },
  ),
);

/** Undefined where the password is another by now, or the account was suspended or erased, while this one was being verified. */
export async function openSession(
  ctx: Ctx,
  userId: string,
  { passwordHash, device }: { passwordHash: string; device: Buffer },
): Promise<string | undefined> {
  const opening = { id: newId(), userId, passwordHash, device, expiresAt: expiryOf(ctx) };
  const { breaker } = ctx.dependencies.open({ name: "postgres" });
  // Behind a question to a database that hangs nobody should wait.
  if (breaker.state === "closed" && (await together(ctx.shared.sql)(opening))) return opening.id;
  const [isOpen] = await openAll(ctx.sql, [opening], ctx.sql``);
  return isOpen ? opening.id : undefined;
}

async function openAll(sql: Sql, asked: Opening[], orElse: ReturnType<Sql>): Promise<boolean[]> {
  const opened = await sql<{ id: string }[]>`
    with asked as (
      select user_id, id, audit_id, password_hash, expires_at, decode(device, 'base64') as device
      from unnest(
        ${asked.map(({ userId }) => userId)}::uuid[], ${asked.map(({ id }) => id)}::uuid[], ${asked.map(() => newId())}::uuid[],
        ${asked.map(({ passwordHash }) => passwordHash)}::text[], ${asked.map(({ expiresAt }) => expiresAt)}::timestamptz[],
        ${asked.map(({ device }) => device.toString("base64"))}::text[]
      ) as asked (user_id, id, audit_id, password_hash, expires_at, device)),
    known as (
      select asked.* from asked join credentials using (user_id, password_hash)
      where suspended_at is null
      for share of credentials ${orElse}),
    opened as (
      insert into sessions (user_id, id, expires_at, device_sealed) select user_id, id, expires_at, device from known),
    noted as (
      insert into audit_events (user_id, id, kind, by, device_sealed, detail)
      select user_id, audit_id, 'session.created', 'user ' || user_id, device, jsonb_build_object('sessionId', id::text)
      from known)
    select id from known`;
  const ids = new Set(opened.map(({ id }) => id));
  return asked.map(({ id }) => ids.has(id));
}

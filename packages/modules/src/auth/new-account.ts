// A new account in one statement: handle, profile, credentials, key, first session, the link that proves its address, and what
// tells of it. They are there together or not at all, for one trip and one commit, where a transaction would take a trip to begin,
// one to write and one to commit.

import { newId } from "@signalbox/core/ids";
import { outboxRow } from "@signalbox/db/outbox";
import { type SQL, sql } from "@signalbox/db/query";
import { type Ctx, tell } from "../ctx.ts";
import { claimLost, markingOf } from "../idempotency.ts";
import { forgetHandles, handleTaken, newProfile } from "../users/index.ts";
import type { makeKey } from "../vault.ts";
import { byOf } from "./activity.ts";
import { userCreated } from "./events.ts";
import { expiryOf } from "./sessions.ts";

type NewAccount = {
  userId: string;
  handle: string;
  region: string | null;
  emailSealed: Buffer;
  emailIndex: Buffer;
  passwordHash: string;
  device: Buffer;
  key: Awaited<ReturnType<typeof makeKey>>;
  /** Of links.ts. */
  link: SQL;
};

/** Answers the id of its first session. */
export async function openAccount(ctx: Ctx, account: NewAccount): Promise<string> {
  const { userId, handle, region, emailSealed, emailIndex, passwordHash, device, key, link } = account;
  const { claim } = ctx;
  const sessionId = newId();
  const told = tell(ctx, userCreated, { userId, handle });
  const [done] = (await ctx.db.execute(sql`
    with name as materialized (
      select set_config('application_name', ${`signalbox ${ctx.instance.name} ${ctx.requestId}`}, true)),
    marked as (${claim ? markingOf(claim) : sql`select 1`}),
    ${newProfile(ctx, { id: userId, handle, region }, sql`name, marked`)},
    account as (
      insert into credentials (user_id, email_sealed, email_index, password_hash)
      select user_id, ${emailSealed}::bytea, ${emailIndex}::bytea, ${passwordHash} from claimed),
    keyed as (${key.row}),
    linked as (${link}),
    opened as (
      insert into sessions (user_id, id, expires_at, device_sealed)
      select user_id, ${sessionId}::uuid, ${expiryOf(ctx)}::timestamptz, ${device}::bytea from claimed),
    noted as (
      insert into audit_events (user_id, id, kind, by, device_sealed, detail)
      select user_id, ${newId()}::uuid, 'account.created', ${byOf(ctx)}, ${device}::bytea, '{}'::jsonb from claimed
      union all
      select user_id, ${newId()}::uuid, 'session.created', 'user ' || user_id, ${device}::bytea,
        jsonb_build_object('sessionId', ${sessionId}::text)
      from claimed),
    told as (${outboxRow(told)})
    select exists (select from marked) as "isOurs", exists (select from claimed) as "isFree"`)) as unknown as [
    { isOurs: boolean; isFree: boolean },
  ];
  if (!done.isOurs) throw claimLost();
  if (!done.isFree) throw handleTaken(handle);
  // It may be known as free, or still lead to whoever had it before.
  await forgetHandles(ctx, [handle]);
  return sessionId;
}

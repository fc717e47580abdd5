// Links in mails: the key of a row under a MAC, so that nothing which is kept opens anything. Each works once, and for a while.

import { timingSafeEqual } from "node:crypto";
import { AppError } from "@signalbox/core/errors";
import { mac } from "@signalbox/core/mac";
import { tables } from "@signalbox/db";
import { and, eq, gt, isNull, type SQL, sql } from "@signalbox/db/query";
import type { Ctx, InTransaction } from "../ctx.ts";
import { openFor, type Seal, sealFor } from "../vault.ts";
import { toUuid } from "./tokens.ts";

const { mailedLinks } = tables;
const field = "mailed_links.email";
export type Purpose = "verify" | "reset" | "change";
type Key = { userId: string; id: string };

export const linkMs: Record<Purpose, number> = {
  verify: 24 * 3_600_000,
  reset: 30 * 60_000,
  change: 24 * 3_600_000,
};
/** By so much less than the mail says a link may be good. */
const lateMs = 3_600_000;
const prefix = "sbm_";

/** What the mail says of it: always the same text for one key. */
export function linkOf({ secret }: Pick<Ctx, "secret">, purpose: Purpose, { userId, id }: Key): string {
  const body = Buffer.from((userId + id).replaceAll("-", ""), "hex");
  return prefix + Buffer.concat([body, linkMac(secret, purpose, body)]).toString("base64url");
}

function openLink(secret: Buffer, purpose: Purpose, token: string): Key | undefined {
  if (!token.startsWith(prefix)) return undefined;
  const bytes = Buffer.from(token.slice(prefix.length), "base64url");
  if (bytes.length !== 64) return undefined;
  const body = bytes.subarray(0, 32);
  if (!timingSafeEqual(linkMac(secret, purpose, body), bytes.subarray(32))) return undefined;
  return { userId: toUuid(body, 0), id: toUuid(body, 16) };
}

const linkMac = (secret: Buffer, purpose: Purpose, body: Buffer) =>
  mac(secret, `mailed-link ${purpose}`, body);

/**
 * A new account's first link, under the account's own id: a part of the statement that makes it, whose part `claimed` says
 * whether there will be such a user. The job that mails it then has nothing to write.
 */
export const firstLink = (ctx: Pick<Ctx, "now">, email: string, seal: Seal): SQL => sql`
  insert into mailed_links (user_id, id, purpose, email_sealed, expires_at)
  select user_id, user_id, 'verify', ${seal(field, email)}::bytea,
    ${new Date(ctx.now().getTime() + linkMs.verify).toISOString()}::timestamptz
  from claimed`;

/** A link that is there goes out as it is where it ends later than this. */
export const endsLate = (ctx: Pick<Ctx, "now">, purpose: Purpose): Date =>
  new Date(ctx.now().getTime() + linkMs[purpose] - lateMs);

/**
 * The same id gives the same link: a job that runs twice sends the same one twice, and one that runs late sends one that is still
 * good. `seal`: where the user's key was read already.
 */
export async function makeLink(
  ctx: Ctx,
  purpose: Purpose,
  key: Key,
  email: string,
  seal?: Seal,
): Promise<string> {
  const sealed = seal ? seal(field, email) : await sealFor(ctx, key.userId, field, email);
  const nowMs = ctx.now().getTime();
  await ctx.sql`
    with old as (
      delete from mailed_links
      where user_id = ${key.userId} and id <> ${key.id} and expires_at < ${new Date(nowMs - 86_400_000)})
    insert into mailed_links (user_id, id, purpose, email_sealed, expires_at)
    values (${key.userId}, ${key.id}, ${purpose}, ${sealed}, ${new Date(nowMs + linkMs[purpose])})
    on conflict (user_id, id) do update set expires_at = excluded.expires_at
    where mailed_links.purpose = excluded.purpose and mailed_links.used_at is null`;
  return linkOf(ctx, purpose, key);
}

/** Uses a link up, with every other of its purpose, or refuses; why is nobody's business. */
export async function takeLink(ctx: InTransaction, purpose: Purpose, token: string) {
  const key = openLink(ctx.secret, purpose, token);
  const [row] = key
    ? await ctx.db
        .update(mailedLinks)
        .set({ usedAt: ctx.now() })
        .where(
          and(
            eq(mailedLinks.userId, key.userId),
            eq(mailedLinks.id, key.id),
            eq(mailedLinks.purpose, purpose),
            isNull(mailedLinks.usedAt),
            gt(mailedLinks.expiresAt, ctx.now()),
          ),
        )
        .returning()
    : [];
  if (!row) throw badLink();
  await ctx.db
    .update(mailedLinks)
    .set({ usedAt: ctx.now() })
    .where(
      and(eq(mailedLinks.userId, row.userId), eq(mailedLinks.purpose, purpose), isNull(mailedLinks.usedAt)),
    );
  return { userId: row.userId, id: row.id, email: await addressOf(ctx, row.userId, row.emailSealed) };
}

async function addressOf(ctx: Ctx | InTransaction, userId: string, sealed: Buffer): Promise<string> {
  const email = await openFor(ctx, userId, field, sealed);
  if (!email) throw badLink();
  return email.toString();
}

/** The link again, and where it goes: for the job that mails it. Undefined where there is none, or its user is being erased. */
export async function readLink(ctx: Ctx, purpose: Purpose, key: Key) {
  const [row] = await ctx.db
    .select({ emailSealed: mailedLinks.emailSealed, usedAt: mailedLinks.usedAt })
    .from(mailedLinks)
    .where(
      and(eq(mailedLinks.userId, key.userId), eq(mailedLinks.id, key.id), eq(mailedLinks.purpose, purpose)),
    );
  const email = row && (await openFor(ctx, key.userId, field, row.emailSealed));
  if (!email) return undefined;
  return { email: email.toString(), used: row.usedAt !== null, token: linkOf(ctx, purpose, key) };
}

/** After a change the link's row remembers the address that was, until its owner is told there. */
export async function rememberAddress(ctx: InTransaction, key: Key, email: string): Promise<void> {
  await ctx.db
    .update(mailedLinks)
    .set({ emailSealed: await sealFor(ctx, key.userId, field, email) })
    .where(and(eq(mailedLinks.userId, key.userId), eq(mailedLinks.id, key.id)));
}

function badLink(): AppError {
  const message = "is not valid, was used before, or is too old; ask for a new one";
  return new AppError("invalid", `token: ${message}`, { errors: [{ field: "token", message }] });
}

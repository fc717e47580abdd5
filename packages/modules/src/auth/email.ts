// The one file that reads and writes e-mail addresses.

import { createGather } from "@signalbox/core/gather";
import { blindIndex, type Wrapped } from "@signalbox/core/vault";
import { tables } from "@signalbox/db";
import { asc, eq, sql } from "@signalbox/db/query";
import type { Ctx, InTransaction, Source } from "../ctx.ts";
import { lockOf, type Seal, sealFor } from "../vault.ts";
import { endsLate } from "./links.ts";

const { credentials } = tables;
const field = "credentials.email";

/** Of several accounts that claim an address, the one that has proven it; else, where there is but one, that one. */
export async function findByEmail(ctx: Ctx, email: string): Promise<string | undefined> {
  const rows = await ctx.db
    .select({ userId: credentials.userId, verifiedAt: credentials.emailVerifiedAt })
    .from(credentials)
    .where(eq(credentials.emailIndex, indexOf(ctx, email)))
    .orderBy(sql`${credentials.emailVerifiedAt} is null`, asc(credentials.userId))
    .limit(2);
  const [first, second] = rows;
  return first && (first.verifiedAt || !second) ? first.userId : undefined;
}

/** One client of the database hands out instants as text, the other one as dates. */
type Row = Wrapped & { sealed: Buffer; verifiedAt: string | Date | null };

export async function readEmail(ctx: Ctx | InTransaction, userId: string) {
  const [row] = (await ctx.db.execute(sql`
    select email_sealed as sealed, email_verified_at as "verifiedAt", master_version as "masterVersion", wrapped
    from credentials join user_keys using (user_id) where user_id = ${userId}`)) as unknown as Row[];
  return openRow(ctx, userId, row);
}

async function openRow(ctx: Ctx | InTransaction, userId: string, row: Row | undefined) {
  if (!row || row.sealed.length === 0) return undefined;
  const { seal, open } = await lockOf(ctx, userId, row);
  return {
    email: open(field, row.sealed).toString(),
    verifiedAt: row.verifiedAt && new Date(row.verifiedAt),
    seal,
  };
}

type Addressee = { userId: string; linkId: string };
type AddresseeRow = Row & { n: number; hasLink: boolean };

/**
 * Whom a mail about an account goes to; `hasLink`: whether its link is there already, and good for about as long as it says. Mails
 * are made in company, and one statement answers for all of it.
 */
export async function readAddressee(ctx: Ctx, asked: Addressee) {
  let read = readers.get(ctx.shared);
  if (!read) {
    read = createReader(ctx);
    readers.set(ctx.shared, read);
  }
  const row = await read(asked);
  const opened = await openRow(ctx, asked.userId, row);
  return opened && { ...opened, hasLink: row!.hasLink };
}

const readers = new WeakMap<Source, (asked: Addressee) => Promise<AddresseeRow | undefined>>();

function createReader({ shared: { sql }, dependencies, now }: Ctx) {
  const { breaker } = dependencies.open({ name: "postgres" });
  return createGather(
    async (asked: Addressee[]) => {
      const rows = await sql<AddresseeRow[]>`
        select n::int, email_sealed as sealed, email_verified_at as "verifiedAt", master_version as "masterVersion", wrapped,
          exists (
            select from mailed_links as link
            where link.user_id = asked.user_id and link.id = asked.link_id and link.expires_at > ${endsLate({ now }, "verify")}
          ) as "hasLink"
        from unnest(${asked.map(({ userId }) => userId)}::uuid[], ${asked.map(({ linkId }) => linkId)}::uuid[])
          with ordinality as asked (user_id, link_id, n)
        join credentials using (user_id) join user_keys using (user_id)`;
      const byPlace = new Map(rows.map((row) => [row.n - 1, row]));
      return asked.map((_, place) => byPlace.get(place));
    },
    { mostUnderWay: 2, isDoubtful: () => breaker.state !== "closed" },
  );
}

/** The columns that hold an address: unreadable without its user's key, and found by a keyed index. */
export const sealEmail = (ctx: Ctx | InTransaction, email: string, seal: Seal) => ({
  emailSealed: seal(field, email),
  emailIndex: indexOf(ctx, email),
});

const indexOf = ({ secret }: Pick<Ctx, "secret">, email: string) =>
  blindIndex(secret, "email", email.toLowerCase());

/** The address is proven; a second account that proves it breaks the unique key. */
export async function writeVerifiedEmail(ctx: InTransaction, userId: string, email: string): Promise<void> {
  await ctx.db
    .update(credentials)
    .set({
      emailSealed: await sealFor(ctx, userId, field, email),
      emailIndex: indexOf(ctx, email),
      emailVerifiedAt: ctx.now(),
    })
    .where(eq(credentials.userId, userId));
}

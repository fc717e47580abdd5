// The one file that reads and writes e-mail addresses.

import { blindIndex } from "@signalbox/core/vault";
import { tables } from "@signalbox/db";
import { asc, eq, sql } from "@signalbox/db/query";
import type { Ctx, InTransaction } from "../ctx.ts";
import { openFor, sealFor } from "../vault.ts";

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

export async function readEmail(ctx: Ctx | InTransaction, userId: string) {
  const [row] = await ctx.db
    .select({ sealed: credentials.emailSealed, verifiedAt: credentials.emailVerifiedAt })
    .from(credentials)
    .where(eq(credentials.userId, userId));
  const email = row && (await openFor(ctx, userId, field, row.sealed));
  return email && { email: email.toString(), verifiedAt: row.verifiedAt };
}

/**
 * The columns that hold an address: unreadable without its user's key, and found by a keyed index. `seal` is of a key that is not
 * written yet.
 */
export async function sealEmail(
  ctx: Ctx | InTransaction,
  userId: string,
  email: string,
  seal = (field: string, plain: string): Buffer | Promise<Buffer> => sealFor(ctx, userId, field, plain),
) {
  return { emailSealed: await seal(field, email), emailIndex: indexOf(ctx, email) };
}

const indexOf = ({ secret }: Pick<Ctx, "secret">, email: string) =>
  blindIndex(secret, "email", email.toLowerCase());

/** The address is proven; a second account that proves it breaks the unique key. */
export async function writeVerifiedEmail(ctx: InTransaction, userId: string, email: string): Promise<void> {
  await ctx.db
    .update(credentials)
    .set({ ...(await sealEmail(ctx, userId, email)), emailVerifiedAt: ctx.now() })
    .where(eq(credentials.userId, userId));
}

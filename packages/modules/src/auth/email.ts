// The one file that reads and writes e-mail addresses.

import { tables } from "@signalbox/db";
import { asc, eq, sql } from "@signalbox/db/query";
import type { Ctx, InTransaction } from "../ctx.ts";

const { credentials } = tables;

/** Of several accounts that claim an address, the one that has proven it; else, where there is but one, that one. */
export async function findByEmail(ctx: Ctx, email: string): Promise<string | undefined> {
  const rows = await ctx.db
    .select({ userId: credentials.userId, verifiedAt: credentials.emailVerifiedAt })
    .from(credentials)
    .where(eq(credentials.email, email.toLowerCase()))
    .orderBy(sql`${credentials.emailVerifiedAt} is null`, asc(credentials.userId))
    .limit(2);
  const [first, second] = rows;
  return first && (first.verifiedAt || !second) ? first.userId : undefined;
}

export async function readEmail(ctx: Ctx | InTransaction, userId: string) {
  const [row] = await ctx.db
    .select({ email: credentials.email, verifiedAt: credentials.emailVerifiedAt })
    .from(credentials)
    .where(eq(credentials.userId, userId));
  return row;
}

/** The address is proven; a second account that proves it breaks the unique key. */
export async function writeVerifiedEmail(ctx: InTransaction, userId: string, email: string): Promise<void> {
  await ctx.db
    .update(credentials)
    .set({ email, emailVerifiedAt: ctx.now() })
    .where(eq(credentials.userId, userId));
}

// What others than its owner do to an account: suspend and restore it, change its role, end its sessions.

import { AppError } from "@signalbox/core/errors";
import { tables } from "@signalbox/db";
import { and, desc, eq, inArray, isNull, lt, ne, sql } from "@signalbox/db/query";
import { type Ctx, transaction } from "../ctx.ts";
import { openCursor, toPage } from "../page.ts";
import { note } from "./activity.ts";
import { findByEmail } from "./email.ts";
import { findByPhone } from "./phone.ts";
import { revokeSessions } from "./sessions.ts";
import type { Role } from "./tokens.ts";

const { credentials } = tables;

export type AccountState = {
  id: string;
  role: Role;
  suspendedAt: string | null;
  suspendedFor: string | null;
};

const columns = {
  id: credentials.userId,
  role: credentials.role,
  suspendedAt: credentials.suspendedAt,
  suspendedFor: credentials.suspendedFor,
};
const present = (row: {
  id: string;
  role: Role;
  suspendedAt: Date | null;
  suspendedFor: string | null;
}): AccountState => ({
  ...row,
  suspendedAt: row.suspendedAt?.toISOString() ?? null,
});

export async function readAccountState(ctx: Ctx, userId: string): Promise<AccountState> {
  const [state] = await readAccountStates(ctx, [userId]);
  if (!state) throw new AppError("not_found", "there is no such account");
  return state;
}

/** Those that are there, in no order. */
export async function readAccountStates(ctx: Ctx, userIds: string[]): Promise<AccountState[]> {
  if (userIds.length === 0) return [];
  const rows = await ctx.db.select(columns).from(credentials).where(inArray(credentials.userId, userIds));
  return rows.map(present);
}

/** Newest first. */
export async function listAccountStates(ctx: Ctx, { limit, cursor }: { limit: number; cursor?: string }) {
  const before = openCursor("accounts", cursor);
  const rows = await ctx.db
    .select(columns)
    .from(credentials)
    .where(before ? lt(credentials.userId, before) : undefined)
    .orderBy(desc(credentials.userId))
    .limit(limit + 1);
  return toPage("accounts", rows, limit, ({ id }) => id, present);
}

export const userIdByEmail = findByEmail;
export const userIdByPhone = findByPhone;

/** From the next second on nothing that its sessions send is taken; already suspended: nothing changes. */
export async function suspendAccount(ctx: Ctx, userId: string, reason: string): Promise<void> {
  await transaction(ctx, async (ctx) => {
    const done = await ctx.db
      .update(credentials)
      .set({ suspendedAt: sql`now()`, suspendedFor: reason })
      .where(and(eq(credentials.userId, userId), isNull(credentials.suspendedAt)))
      .returning({ id: credentials.userId });
    await revokeSessions(ctx, userId);
    if (done.length > 0) await note(ctx, userId, "account.suspended", { reason });
  });
}

export async function restoreAccount(ctx: Ctx, userId: string): Promise<void> {
  await transaction(ctx, async (ctx) => {
    const done = await ctx.db
      .update(credentials)
      .set({ suspendedAt: null, suspendedFor: null })
      .where(and(eq(credentials.userId, userId), sql`${credentials.suspendedAt} is not null`))
      .returning({ id: credentials.userId });
    if (done.length > 0) await note(ctx, userId, "account.restored");
  });
}

/** A token says its holder's role: those of the old one are refused, so that the change holds at once. */
export async function changeRole(ctx: Ctx, userId: string, role: Role): Promise<void> {
  await transaction(ctx, async (ctx) => {
    const done = await ctx.db
      .update(credentials)
      .set({ role })
      .where(and(eq(credentials.userId, userId), ne(credentials.role, role)))
      .returning({ id: credentials.userId });
    if (done.length === 0) return;
    await revokeSessions(ctx, userId);
    await note(ctx, userId, "role.changed", { role });
  });
}

// Asking for an export or an erasure, and reading how far it is. The work itself is done by the workers, step by step.

import { AppError } from "@signalbox/core/errors";
import { newId } from "@signalbox/core/ids";
import { tables } from "@signalbox/db";
import { and, desc, eq, gt, inArray, sql } from "@signalbox/db/query";
import type { z } from "zod";
import { note } from "../auth/activity.ts";
import { confirmPassword } from "../auth/confirm.ts";
import { userIdByEmail } from "../auth/personal.ts";
import {
  type Actor,
  type AsOperator,
  type AsUser,
  type Ctx,
  emit,
  type InTransaction,
  one,
  transaction,
} from "../ctx.ts";
import { findAccount } from "../users/index.ts";
import { userDeleted } from "./events.ts";
import { holdings } from "./holdings.ts";
import type { ByRequest, Leave, PersonalRequest, RequestQuery } from "./schema.ts";

const { personalRequests, users } = tables;
type Row = typeof personalRequests.$inferSelect;
type Answer = z.infer<typeof PersonalRequest>;

/** The handle's holder is signed out everywhere and not seen any more when this resolves. */
export async function deleteAccount(ctx: AsUser, { password }: z.infer<typeof Leave>): Promise<Answer> {
  await confirmPassword(ctx, ctx.actor.id, password);
  return beginErasure(ctx, ctx.actor.id);
}

export async function beginErasure(ctx: Ctx, userId: string): Promise<Answer> {
  return transaction(ctx, async (ctx) => {
    // Of two at once one erases, and the other finds nobody.
    one(
      await ctx.db.select({ id: users.id }).from(users).where(eq(users.id, userId)).for("update"),
      () => new AppError("not_found", "this account is already being erased"),
    );
    await note(ctx, userId, "erasure.asked");
    for (const { leave } of holdings) await leave?.(ctx, userId);
    // An export that runs would read what is being taken away.
    await ctx.db
      .delete(personalRequests)
      .where(and(eq(personalRequests.userId, userId), eq(personalRequests.kind, "export")));
    await emit(ctx, userDeleted, { userId });
    return present(ctx, await insert(ctx, userId, "erasure"));
  });
}

export async function requestExport(ctx: AsUser): Promise<Answer> {
  return beginExport(ctx, ctx.actor.id);
}

/** One that runs, or an archive that is less than an hour old, is answered instead of making another. */
export async function beginExport(ctx: Ctx, userId: string): Promise<Answer> {
  return transaction(ctx, async (ctx) => {
    one(
      await ctx.db.select({ id: users.id }).from(users).where(eq(users.id, userId)).for("update"),
      // Its owner asks with a token that is about to be refused; an operator by an id that leads nowhere.
      () =>
        new AppError(
          ctx.actor.kind === "user" ? "unauthorized" : "not_found",
          "this account no longer exists",
        ),
    );
    const [recent] = await ctx.db
      .select()
      .from(personalRequests)
      .where(
        and(
          eq(personalRequests.userId, userId),
          eq(personalRequests.kind, "export"),
          inArray(personalRequests.state, ["waiting", "running", "done"]),
          gt(personalRequests.createdAt, sql`now() - interval '1 hour'`),
        ),
      )
      .orderBy(desc(personalRequests.createdAt))
      .limit(1);
    return present(ctx, recent ?? (await askForExport(ctx, userId)));
  });
}

async function askForExport(ctx: InTransaction, userId: string): Promise<Row> {
  await note(ctx, userId, "export.asked");
  return insert(ctx, userId, "export");
}

async function insert(ctx: InTransaction, userId: string, kind: Row["kind"]): Promise<Row> {
  const total = holdings.reduce((sum, { erase }) => sum + (kind === "export" ? 1 : erase.length), 0);
  return one(await ctx.db.insert(personalRequests).values({ id: newId(), userId, kind, total }).returning());
}

export async function listRequests(ctx: AsOperator, { user, limit = 100 }: z.infer<typeof RequestQuery>) {
  const rows = await ctx.db
    .select()
    .from(personalRequests)
    .where(user ? eq(personalRequests.userId, user) : undefined)
    .orderBy(desc(personalRequests.createdAt))
    .limit(limit);
  return { items: rows.map((row) => present(ctx, row)), nextCursor: null };
}

/** Somebody else's request is not there for a user. */
export async function readRequest(ctx: Ctx, { id }: z.infer<typeof ByRequest>): Promise<Answer> {
  return present(ctx, await knownRequest(ctx, id));
}

export async function knownRequest(ctx: Ctx, id: string): Promise<Row> {
  const { actor } = ctx;
  const [row] = await ctx.db.select().from(personalRequests).where(eq(personalRequests.id, id));
  if (!row || (actor.kind !== "operator" && (actor.kind !== "user" || row.userId !== actor.id)))
    throw new AppError("not_found", "there is no request under this id");
  return row;
}

export const idForm = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** By what an operator has at hand. */
export async function findUser(ctx: Ctx, user: string): Promise<{ id: string; handle: string } | undefined> {
  const handle = user.replace(/^@/, "").toLowerCase();
  const id = idForm.test(user) ? user : handle.includes("@") ? await userIdByEmail(ctx, handle) : undefined;
  if (id !== undefined) return findAccount(ctx, { id });
  return handle.includes("@") ? undefined : findAccount(ctx, { handle });
}

const archivePath = (actor: Actor, id: string) =>
  actor.kind === "operator" ? `/operator/v1/personal-requests/${id}/archive` : `/v1/me/export/${id}/archive`;

function present({ actor }: Pick<Ctx, "actor">, row: Row): Answer {
  const { id, kind, state, steps, total, error, createdAt, finishedAt, expiresAt } = row;
  return {
    id,
    kind,
    state,
    steps,
    total,
    error,
    archive: kind === "export" && state === "done" ? archivePath(actor, id) : null,
    createdAt: createdAt.toISOString(),
    finishedAt: finishedAt?.toISOString() ?? null,
    expiresAt: expiresAt?.toISOString() ?? null,
  };
}

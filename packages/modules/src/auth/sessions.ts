// The sessions of a person: seen, ended one by one, or all at once.

import { AppError } from "@signalbox/core/errors";
import { newId } from "@signalbox/core/ids";
import { tables } from "@signalbox/db";
import { and, desc, eq, gt, isNull, lt } from "@signalbox/db/query";
import type { z } from "zod";
import type { AsUser, Ctx, InTransaction } from "../ctx.ts";
import { openCursor, type Page, toPage } from "../page.ts";
import type { BySession, Refresh, SessionList } from "./schema.ts";
import { openRefresh, refreshMs } from "./tokens.ts";

const { sessions } = tables;

export async function openSession(ctx: Ctx | InTransaction, userId: string): Promise<string> {
  const id = newId();
  const expiresAt = new Date(ctx.now().getTime() + refreshMs);
  await ctx.db.insert(sessions).values({ userId, id, expiresAt, device: ctx.userAgent.slice(0, 200) });
  return id;
}

export async function listSessions(
  ctx: AsUser,
  { limit, cursor }: Page,
): Promise<z.infer<typeof SessionList>> {
  const [before] = openCursor(cursor) ?? [];
  const rows = await ctx.db
    .select()
    .from(sessions)
    .where(
      and(
        eq(sessions.userId, ctx.actor.id),
        isNull(sessions.revokedAt),
        gt(sessions.expiresAt, ctx.now()),
        before ? lt(sessions.id, before) : undefined,
      ),
    )
    .orderBy(desc(sessions.id))
    .limit(limit + 1);
  return toPage(
    rows,
    limit,
    (row) => row.id,
    (row) => ({
      id: row.id,
      device: row.device,
      createdAt: row.createdAt.toISOString(),
      lastUsedAt: row.rotatedAt.toISOString(),
      expiresAt: row.expiresAt.toISOString(),
      current: row.id === ctx.actor.sessionId,
    }),
  );
}

/** With one of its refresh tokens, so that it works when the access token has ended. */
export async function logout(ctx: Ctx, input: z.infer<typeof Refresh>): Promise<void> {
  const claim = openRefresh(ctx.secret, input.refreshToken);
  if (!claim) throw new AppError("unauthorized", "this is not a refresh token of this install");
  await endSessions(ctx, claim.userId, claim.sessionId);
}

export async function endSession(ctx: AsUser, { id }: z.infer<typeof BySession>): Promise<void> {
  const ended = await endSessions(ctx, ctx.actor.id, id);
  if (ended === 0) throw new AppError("not_found", "you have no running session under this id");
}

export async function logoutEverywhere(ctx: AsUser): Promise<void> {
  await endSessions(ctx, ctx.actor.id);
}

/** One statement, then every instance is told. */
export async function endSessions(ctx: Ctx, userId: string, sessionId?: string): Promise<number> {
  const rows = await ctx.sql<{ id: string }[]>`
    update sessions set revoked_at = now()
    where user_id = ${userId} and revoked_at is null ${sessionId ? ctx.sql`and id = ${sessionId}` : ctx.sql``}
    returning id`;
  await ctx.revocations.announce(rows.map(({ id }) => id));
  return rows.length;
}

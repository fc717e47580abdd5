// The sessions of a person: seen, ended one by one, or all at once.

import { AppError } from "@signalbox/core/errors";
import { tables } from "@signalbox/db";
import { and, desc, eq, gt, isNull, lt, ne, sql } from "@signalbox/db/query";
import type { z } from "zod";
import { type AsOperator, type AsUser, type Ctx, type InTransaction, transaction } from "../ctx.ts";
import { openCursor, type Page, toPage } from "../page.ts";
import { note } from "./activity.ts";
import { confirmPassword } from "./confirm.ts";
import { openDevices } from "./device.ts";
import type { BySession, EndAll, Refresh, SessionList } from "./schema.ts";
import { openRefresh, refreshMs } from "./tokens.ts";

const { sessions } = tables;

export const expiryOf = ({ now }: Pick<Ctx, "now">) => new Date(now().getTime() + refreshMs).toISOString();

export const listSessions = (ctx: AsUser, page: Page) => list(ctx, ctx.actor.id, page, ctx.actor.sessionId);

/** For operators: none of them is the one that asks. */
export const listSessionsOf = (
  ctx: AsOperator,
  { userId, limit = 1_000, cursor }: { userId: string; limit?: number; cursor?: string },
) => list(ctx, userId, { limit, cursor });

async function list(
  ctx: Ctx,
  userId: string,
  { limit, cursor }: Page,
  currentId?: string,
): Promise<z.infer<typeof SessionList>> {
  const before = openCursor("sessions", cursor);
  const rows = await ctx.db
    .select()
    .from(sessions)
    .where(
      and(
        eq(sessions.userId, userId),
        isNull(sessions.revokedAt),
        gt(sessions.expiresAt, ctx.now()),
        before ? lt(sessions.id, before) : undefined,
      ),
    )
    .orderBy(desc(sessions.id))
    .limit(limit + 1);
  const devices = await openDevices(
    ctx,
    userId,
    rows.map(({ deviceSealed }) => deviceSealed),
  );
  return toPage(
    "sessions",
    rows.map((row, at) => ({ ...row, ...devices[at]! })),
    limit,
    (row) => row.id,
    (row) => ({
      id: row.id,
      device: row.device,
      address: row.address,
      createdAt: row.createdAt.toISOString(),
      lastUsedAt: row.rotatedAt.toISOString(),
      expiresAt: row.expiresAt.toISOString(),
      current: row.id === currentId,
    }),
  );
}

/** With one of its refresh tokens, so that it works when the access token has ended. */
export async function logout(ctx: Ctx, input: z.infer<typeof Refresh>): Promise<void> {
  const claim = openRefresh(ctx.secret, input.refreshToken);
  if (!claim) throw new AppError("unauthorized", "this is not a refresh token of this install");
  await endSessions(ctx, claim.userId, { only: claim.sessionId });
}

export async function endSession(ctx: AsUser, { id, password }: z.infer<typeof BySession>): Promise<void> {
  if (id !== ctx.actor.sessionId) await requireOwner(ctx, password);
  const ended = await endSessions(ctx, ctx.actor.id, { only: id });
  if (ended === 0) throw new AppError("not_found", "you have no running session under this id");
}

export async function logoutEverywhere(ctx: AsUser, input: z.infer<typeof EndAll> = {}): Promise<void> {
  await requireOwner(ctx, input.password);
  await endSessions(ctx, ctx.actor.id);
}

/** For so long after signing in nobody is asked for the password again. */
const recentMs = 15 * 60_000;

/** Who found a device unlocked must not put its owner out everywhere else. */
async function requireOwner(ctx: AsUser, password: string | undefined): Promise<void> {
  const { id: userId, sessionId: id } = ctx.actor;
  if (password !== undefined) return confirmPassword(ctx, userId, password);
  const [session] = await ctx.sql`
    select from sessions
    where user_id = ${userId} and id = ${id} and created_at > now() - ${recentMs} * interval '1 millisecond'`;
  if (session) return;
  const message = "is needed: you signed in more than 15 minutes ago";
  throw new AppError("forbidden", `password ${message}`, { errors: [{ field: "password", message }] });
}

type Which = { only?: string; except?: string };

/** In one statement; once it is committed, every instance is told. */
export async function revokeSessions(
  ctx: InTransaction,
  userId: string,
  { only, except }: Which = {},
  kind: "session.ended" | "session.reused" = "session.ended",
): Promise<number> {
  const rows = await ctx.db
    .update(sessions)
    .set({ revokedAt: sql`now()` })
    .where(
      and(
        eq(sessions.userId, userId),
        isNull(sessions.revokedAt),
        only ? eq(sessions.id, only) : undefined,
        except ? ne(sessions.id, except) : undefined,
      ),
    )
    .returning({ id: sessions.id });
  const ids = rows.map(({ id }) => id);
  if (ids.length > 0)
    await note(ctx, userId, kind, only ? { sessionId: only } : { sessions: String(ids.length) });
  ctx.afterCommit(() => ctx.revocations.announce(ids));
  return ids.length;
}

export const endSessions = (
  ctx: Ctx,
  userId: string,
  which?: Which,
  kind?: "session.ended" | "session.reused",
) => transaction(ctx, (ctx) => revokeSessions(ctx, userId, which, kind));

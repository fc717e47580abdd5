// Blocking and muting. A block ends follows both ways, and hides him who blocks from him who is blocked; of posts and lists
// neither sees the other's. A mute hides only from the one who muted, and nobody learns of it.

import { AppError } from "@signalbox/core/errors";
import { tables } from "@signalbox/db";
import { and, eq, inArray, or } from "@signalbox/db/query";
import type { z } from "zod";
import { type AsUser, type Ctx, emit, transaction } from "../ctx.ts";
import { forgetRelations, type Relations, relations } from "./cached.ts";
import { lockPair, removeFollow } from "./edges.ts";
import { userBlocked, userMuted, userUnblocked, userUnmuted } from "./events.ts";
import { anyUser, knownUser } from "./profile.ts";
import type { ByHandle } from "./schema.ts";

const { blocks, mutes } = tables;
type Target = z.infer<typeof ByHandle>;

const edgeTo = (ctx: AsUser, target: { id: string }, verb: string) => {
  if (target.id === ctx.actor.id) throw new AppError("invalid", `you can not ${verb} yourself`);
  return { userId: ctx.actor.id, targetId: target.id };
};

export async function block(ctx: AsUser, { handle }: Target): Promise<void> {
  const edge = edgeTo(ctx, await anyUser(ctx, handle), "block");
  await transaction(ctx, async (ctx) => {
    await lockPair(ctx, edge);
    const made = await ctx.db.insert(blocks).values(edge).onConflictDoNothing().returning();
    if (made.length === 0) return;
    await removeFollow(ctx, edge);
    await removeFollow(ctx, { userId: edge.targetId, targetId: edge.userId });
    await emit(ctx, userBlocked, edge);
    ctx.afterCommit(() => forgetRelations(ctx, [edge.userId, edge.targetId]));
  });
}

export async function unblock(ctx: AsUser, { handle }: Target): Promise<void> {
  const edge = edgeTo(ctx, await anyUser(ctx, handle), "unblock");
  await transaction(ctx, async (ctx) => {
    const gone = await ctx.db
      .delete(blocks)
      .where(and(eq(blocks.userId, edge.userId), eq(blocks.targetId, edge.targetId)))
      .returning();
    if (gone.length === 0) return;
    await emit(ctx, userUnblocked, edge);
    ctx.afterCommit(() => forgetRelations(ctx, [edge.userId, edge.targetId]));
  });
}

export async function mute(ctx: AsUser, { handle }: Target): Promise<void> {
  const edge = edgeTo(ctx, await knownUser(ctx, handle), "mute");
  await transaction(ctx, async (ctx) => {
    const made = await ctx.db.insert(mutes).values(edge).onConflictDoNothing().returning();
    if (made.length === 0) return;
    await emit(ctx, userMuted, edge);
    ctx.afterCommit(() => forgetRelations(ctx, [edge.userId]));
  });
}

export async function unmute(ctx: AsUser, { handle }: Target): Promise<void> {
  const edge = edgeTo(ctx, await anyUser(ctx, handle), "unmute");
  await transaction(ctx, async (ctx) => {
    const gone = await ctx.db
      .delete(mutes)
      .where(and(eq(mutes.userId, edge.userId), eq(mutes.targetId, edge.targetId)))
      .returning();
    if (gone.length === 0) return;
    await emit(ctx, userUnmuted, edge);
    ctx.afterCommit(() => forgetRelations(ctx, [edge.userId]));
  });
}

const readRelations = async (ctx: Ctx, userId: string): Promise<Relations> =>
  (await ctx.cache.entity(relations).read(userId)) ?? { blocks: null, blockedBy: null, mutes: null };

/** Did `by` block this user? */
export async function isBlockedBy(ctx: Ctx, userId: string, by: string): Promise<boolean> {
  if (userId === by) return false;
  const { blockedBy } = await readRelations(ctx, userId);
  if (blockedBy) return blockedBy.includes(by);
  const found = await ctx.db
    .select({ id: blocks.userId })
    .from(blocks)
    .where(and(eq(blocks.userId, by), eq(blocks.targetId, userId)));
  return found.length > 0;
}

/** Of these people, those who blocked the user or whom the user blocked: neither sees the other's posts. */
export async function blockedAmong(ctx: Ctx, userId: string, ids: string[]): Promise<Set<string>> {
  if (ids.length === 0) return new Set();
  const known = await readRelations(ctx, userId);
  if (known.blocks && known.blockedBy) {
    const either = new Set([...known.blocks, ...known.blockedBy]);
    return new Set(ids.filter((id) => either.has(id)));
  }
  const rows = await ctx.db
    .select()
    .from(blocks)
    .where(
      or(
        and(eq(blocks.userId, userId), inArray(blocks.targetId, ids)),
        and(eq(blocks.targetId, userId), inArray(blocks.userId, ids)),
      ),
    );
  return new Set(rows.map((row) => (row.userId === userId ? row.targetId : row.userId)));
}

/** Of these people, those whose posts the user does not want to see. */
export async function mutedAmong(ctx: Ctx, userId: string, ids: string[]): Promise<Set<string>> {
  if (ids.length === 0) return new Set();
  const known = await readRelations(ctx, userId);
  if (known.mutes) {
    const muted = new Set(known.mutes);
    return new Set(ids.filter((id) => muted.has(id)));
  }
  const rows = await ctx.db
    .select({ id: mutes.targetId })
    .from(mutes)
    .where(and(eq(mutes.userId, userId), inArray(mutes.targetId, ids)));
  return new Set(rows.map(({ id }) => id));
}

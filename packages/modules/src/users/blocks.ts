// Blocking and muting. A block ends follows both ways, and hides him who blocks from him who is blocked; of posts and lists
// neither sees the other's. A mute hides only from the one who muted, and nobody learns of it.

import { AppError } from "@signalbox/core/errors";
import { tables } from "@signalbox/db";
import { and, eq } from "@signalbox/db/query";
import type { z } from "zod";
import { type AsUser, emit, transaction } from "../ctx.ts";
import { forgetRelations } from "./cached.ts";
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

// What a change between two people needs: both counted rows, locked in one order, so that a follow and a block of the same two
// come one after the other and no two changes wait for each other.

import { AppError } from "@signalbox/core/errors";
import { tables } from "@signalbox/db";
import { and, asc, eq, inArray, sql } from "@signalbox/db/query";
import { emit, type InTransaction } from "../ctx.ts";
import { forgetFollowing, forgetProfiles } from "./cached.ts";
import { userUnfollowed } from "./events.ts";

const { follows, userCounts } = tables;

export type Edge = { userId: string; targetId: string };

export async function lockPair(ctx: InTransaction, { userId, targetId }: Edge): Promise<void> {
  const rows = await ctx.db
    .select({ id: userCounts.userId })
    .from(userCounts)
    .where(inArray(userCounts.userId, [userId, targetId]))
    .orderBy(asc(userCounts.userId))
    .for("update");
  if (rows.length < 2) throw new AppError("not_found", "this user is no longer there");
}

/** Only under the lock of both. */
export async function countFollow(ctx: InTransaction, { userId, targetId }: Edge, by: 1 | -1): Promise<void> {
  await ctx.db
    .update(userCounts)
    .set({
      followers: sql`${userCounts.followers} + (${userCounts.userId} = ${targetId})::int * ${by}::int`,
      following: sql`${userCounts.following} + (${userCounts.userId} = ${userId})::int * ${by}::int`,
    })
    .where(inArray(userCounts.userId, [userId, targetId]));
  ctx.afterCommit(() =>
    Promise.all([forgetProfiles(ctx, [userId, targetId]), forgetFollowing(ctx, [userId])]),
  );
}

/** Only under the lock of both. Where there is no follow, nothing happens and nothing is announced. */
export async function removeFollow(ctx: InTransaction, edge: Edge): Promise<void> {
  const gone = await ctx.db
    .delete(follows)
    .where(and(eq(follows.userId, edge.userId), eq(follows.targetId, edge.targetId)))
    .returning();
  if (gone.length === 0) return;
  await countFollow(ctx, edge, -1);
  await emit(ctx, userUnfollowed, edge);
}

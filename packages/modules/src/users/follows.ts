// Who follows whom.

import { AppError } from "@signalbox/core/errors";
import { tables } from "@signalbox/db";
import { and, asc, desc, eq, gt, inArray, lt } from "@signalbox/db/query";
import type { z } from "zod";
import { type AsUser, type Ctx, emit, transaction } from "../ctx.ts";
import { openCursor, toPage } from "../page.ts";
import { userFollowed, userUnfollowed } from "./events.ts";
import { knownUser, presentPerson } from "./profile.ts";
import type { ByHandle, PageByHandle, PersonList } from "./schema.ts";

const { follows, users } = tables;

export async function follow(ctx: AsUser, { handle }: z.infer<typeof ByHandle>): Promise<void> {
  const target = await knownUser(ctx, handle);
  const userId = ctx.actor.id;
  if (target.id === userId) throw new AppError("invalid", "you can not follow yourself");
  await transaction(ctx, async (ctx) => {
    const made = await ctx.db
      .insert(follows)
      .values({ userId, targetId: target.id })
      .onConflictDoNothing()
      .returning();
    // Following twice is one follow, and one event.
    if (made.length > 0) await emit(ctx, userFollowed, { userId, targetId: target.id });
  });
}

export async function unfollow(ctx: AsUser, { handle }: z.infer<typeof ByHandle>): Promise<void> {
  const target = await knownUser(ctx, handle);
  const userId = ctx.actor.id;
  await transaction(ctx, async (ctx) => {
    const gone = await ctx.db
      .delete(follows)
      .where(and(eq(follows.userId, userId), eq(follows.targetId, target.id)))
      .returning();
    if (gone.length > 0) await emit(ctx, userUnfollowed, { userId, targetId: target.id });
  });
}

type PeopleInput = z.infer<typeof PageByHandle>;
type People = z.infer<typeof PersonList>;

export async function listFollowers(ctx: Ctx, { handle, limit, cursor }: PeopleInput): Promise<People> {
  const { id } = await knownUser(ctx, handle);
  const [before] = openCursor(cursor) ?? [];
  const rows = await ctx.db
    .select({ key: follows.userId, id: users.id, handle: users.handle, displayName: users.displayName })
    .from(follows)
    .innerJoin(users, eq(users.id, follows.userId))
    .where(and(eq(follows.targetId, id), before ? lt(follows.userId, before) : undefined))
    .orderBy(desc(follows.userId))
    .limit(limit + 1);
  return toPage(rows, limit, (row) => row.key, presentPerson);
}

export async function listFollowing(ctx: Ctx, { handle, limit, cursor }: PeopleInput): Promise<People> {
  const { id } = await knownUser(ctx, handle);
  const [before] = openCursor(cursor) ?? [];
  const rows = await ctx.db
    .select({ key: follows.targetId, id: users.id, handle: users.handle, displayName: users.displayName })
    .from(follows)
    .innerJoin(users, eq(users.id, follows.targetId))
    .where(and(eq(follows.userId, id), before ? lt(follows.targetId, before) : undefined))
    .orderBy(desc(follows.targetId))
    .limit(limit + 1);
  return toPage(rows, limit, (row) => row.key, presentPerson);
}

/** Followers in pages, for a fan-out that must be able to go on where it stopped. */
export async function* followerIds(ctx: Ctx, userId: string, size: number): AsyncGenerator<string[]> {
  for (let after: string | undefined; ; ) {
    const rows = await ctx.db
      .select({ id: follows.userId })
      .from(follows)
      .where(and(eq(follows.targetId, userId), after ? gt(follows.userId, after) : undefined))
      .orderBy(asc(follows.userId))
      .limit(size);
    if (rows.length > 0) yield rows.map(({ id }) => id);
    if (rows.length < size) return;
    after = rows.at(-1)!.id;
  }
}

export async function followedIds(ctx: Ctx, userId: string): Promise<string[]> {
  const rows = await ctx.db.select({ id: follows.targetId }).from(follows).where(eq(follows.userId, userId));
  return rows.map(({ id }) => id);
}

/** Of these people, those whom the user follows right now. */
export async function followedAmong(ctx: Ctx, userId: string, ids: string[]): Promise<Set<string>> {
  if (ids.length === 0) return new Set();
  const rows = await ctx.db
    .select({ id: follows.targetId })
    .from(follows)
    .where(and(eq(follows.userId, userId), inArray(follows.targetId, ids)));
  return new Set(rows.map(({ id }) => id));
}

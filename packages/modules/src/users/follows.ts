// Who follows whom, and the lists of people that follow from it.

import { after, type Soon } from "@signalbox/core/at-once";
import { AppError } from "@signalbox/core/errors";
import { createGather } from "@signalbox/core/gather";
import { onceFor } from "@signalbox/core/once-for";
import { tables } from "@signalbox/db";
import { and, desc, eq, inArray, lt, or, sql } from "@signalbox/db/query";
import type { z } from "zod";
import { type Among, among, none } from "../among.ts";
import { type AsUser, type Ctx, emit, type InTransaction, type Source, transaction } from "../ctx.ts";
import { openCursor, type Page, toPage } from "../page.ts";
import { fromReplica } from "../replicas/index.ts";
import { following } from "./cached.ts";
import { countFollow, type Edge, lockPair, removeFollow } from "./edges.ts";
import { userFollowed } from "./events.ts";
import { knownUser, presentPerson } from "./profile.ts";
import type { ByHandle, PageByHandle, PersonList } from "./schema.ts";

const { blocks, follows, mutes, users } = tables;

export async function follow(ctx: AsUser, { handle }: z.infer<typeof ByHandle>): Promise<void> {
  const target = await knownUser(ctx, handle);
  if (target.id === ctx.actor.id) throw new AppError("invalid", "you can not follow yourself");
  const edge = { userId: ctx.actor.id, targetId: target.id };
  await transaction(ctx, async (ctx) => {
    await lockPair(ctx, edge);
    await refuseAcrossBlock(ctx, edge, handle);
    const made = await ctx.db.insert(follows).values(edge).onConflictDoNothing().returning();
    // Following twice is one follow, and one event.
    if (made.length === 0) return;
    await countFollow(ctx, edge, 1);
    await emit(ctx, userFollowed, edge);
  });
}

/** From the table, under the lock: a block that was made a moment ago counts. */
async function refuseAcrossBlock(
  ctx: InTransaction,
  { userId, targetId }: Edge,
  handle: string,
): Promise<void> {
  const found = await ctx.db
    .select({ by: blocks.userId })
    .from(blocks)
    .where(
      or(
        and(eq(blocks.userId, userId), eq(blocks.targetId, targetId)),
        and(eq(blocks.userId, targetId), eq(blocks.targetId, userId)),
      ),
    );
  if (found.some(({ by }) => by === targetId)) throw new AppError("not_found", `there is no user @${handle}`);
  if (found.length > 0) throw new AppError("conflict", `you block @${handle}; end that first`);
}

export async function unfollow(ctx: AsUser, { handle }: z.infer<typeof ByHandle>): Promise<void> {
  const target = await knownUser(ctx, handle);
  if (target.id === ctx.actor.id) return;
  const edge = { userId: ctx.actor.id, targetId: target.id };
  await transaction(ctx, async (ctx) => {
    await lockPair(ctx, edge);
    await removeFollow(ctx, edge);
  });
}

type PeopleInput = z.infer<typeof PageByHandle>;
type People = z.infer<typeof PersonList>;

/** Lists leave out those who blocked the reader and those whom the reader blocked. */
const visibleTo = ({ actor }: Ctx) =>
  actor.kind === "user"
    ? sql`not exists (
        select 1 from ${blocks}
        where (${blocks.userId} = ${users.id} and ${blocks.targetId} = ${actor.id})
          or (${blocks.userId} = ${actor.id} and ${blocks.targetId} = ${users.id})
      )`
    : undefined;

/** Of a person in a list. */
const shown = {
  id: users.id,
  handle: users.handle,
  displayName: users.displayName,
  avatar: users.avatar,
};

export async function listFollowers(ctx: Ctx, { handle, limit, cursor }: PeopleInput): Promise<People> {
  const { id } = await knownUser(ctx, handle);
  const list = `followers ${id}`;
  const before = openCursor(list, cursor);
  const rows = await fromReplica(ctx, "users.followers", async ({ db }) =>
    db
      .select({ key: follows.userId, ...shown })
      .from(follows)
      .innerJoin(users, eq(users.id, follows.userId))
      .where(and(eq(follows.targetId, id), before ? lt(follows.userId, before) : undefined, visibleTo(ctx)))
      .orderBy(desc(follows.userId))
      .limit(limit + 1),
  );
  return toPage(list, rows, limit, (row) => row.key, presentPerson);
}

export async function listFollowing(ctx: Ctx, { handle, limit, cursor }: PeopleInput): Promise<People> {
  const { id } = await knownUser(ctx, handle);
  const list = `following ${id}`;
  const before = openCursor(list, cursor);
  const rows = await fromReplica(ctx, "users.following", async ({ db }) =>
    db
      .select({ key: follows.targetId, ...shown })
      .from(follows)
      .innerJoin(users, eq(users.id, follows.targetId))
      .where(and(eq(follows.userId, id), before ? lt(follows.targetId, before) : undefined, visibleTo(ctx)))
      .orderBy(desc(follows.targetId))
      .limit(limit + 1),
  );
  return toPage(list, rows, limit, (row) => row.key, presentPerson);
}

/** Whom the caller blocks or mutes: nobody else's list. */
const ownList =
  (list: string, table: typeof blocks | typeof mutes) =>
  async (ctx: AsUser, { limit, cursor }: Page): Promise<People> => {
    const before = openCursor(list, cursor);
    const rows = await ctx.db
      .select({ key: table.targetId, ...shown })
      .from(table)
      .innerJoin(users, eq(users.id, table.targetId))
      .where(and(eq(table.userId, ctx.actor.id), before ? lt(table.targetId, before) : undefined))
      .orderBy(desc(table.targetId))
      .limit(limit + 1);
    return toPage(list, rows, limit, (row) => row.key, presentPerson);
  };
export const listBlocked = ownList("blocks", blocks);
export const listMuted = ownList("mutes", mutes);

/** One page of followers by id. */
export async function followersAfter(
  { sql }: Pick<Ctx, "sql">,
  userId: string,
  after: string | undefined,
  size: number,
  upTo?: string,
): Promise<string[]> {
  // As one text: a thousand rows would cost this process more than the database.
  const [row] = await sql<{ ids: string }[]>`
    select array_to_string(array(
      select user_id from follows where target_id = ${userId}
        ${after ? sql`and user_id > ${after}` : sql``} ${upTo ? sql`and user_id <= ${upTo}` : sql``}
      order by user_id limit ${size}
    ), ' ') as ids`;
  return row!.ids === "" ? [] : row!.ids.split(" ");
}

/** Where stretches of so many followers end. */
export async function everyNthFollower(
  { sql }: Pick<Ctx, "sql">,
  userId: string,
  n: number,
): Promise<string[]> {
  const rows = await sql<{ id: string }[]>`
    select user_id as id from (
      select user_id, row_number() over (order by user_id) as at from follows where target_id = ${userId}
    ) as numbered where at % ${n}::int = 0 order by user_id`;
  return rows.map(({ id }) => id);
}

export const firstFollowersSize = 1_000;

/** The first page, for work that asks for many people's at once: one statement answers for all who asked meanwhile. */
export const firstFollowers = ({ shared }: Pick<Ctx, "shared">, userId: string): Promise<string[]> =>
  firstPages(shared)(userId);

const firstPages = onceFor((shared: Source) =>
  createGather((userIds: string[]) => readFirstFollowers(shared, userIds), { mostUnderWay: 2 }),
);

async function readFirstFollowers({ sql }: Source, userIds: string[]): Promise<string[][]> {
  const rows = await sql<{ id: string; followers: string[] }[]>`
    select asked.id, array(
      select user_id from follows where target_id = asked.id order by user_id limit ${firstFollowersSize}) as followers
    from unnest(${[...new Set(userIds)]}::uuid[]) as asked (id)`;
  const byId = new Map(rows.map(({ id, followers }) => [id, followers]));
  return userIds.map((id) => byId.get(id)!);
}

/** All of them in pages, for what must be able to go on where it stopped. */
export async function* followerIds(ctx: Ctx, userId: string, size: number): AsyncGenerator<string[]> {
  for (let after: string | undefined; ; ) {
    const ids = await followersAfter(ctx, userId, after, size);
    if (ids.length > 0) yield ids;
    if (ids.length < size) return;
    after = ids.at(-1)!;
  }
}

export async function followedIds(ctx: Ctx, userId: string): Promise<string[]> {
  const rows = await ctx.db.select({ id: follows.targetId }).from(follows).where(eq(follows.userId, userId));
  return rows.map(({ id }) => id);
}

/** The same as this process knows it, for a page that is held against it once more. */
export const knownFollowed = async (ctx: Ctx, userId: string): Promise<string[]> =>
  (await ctx.cache.entity(following).read(userId))?.ids ?? followedIds(ctx, userId);

/** Of these people, those whom the user follows right now. */
export const followedAmong = (ctx: Ctx, userId: string, ids: string[]): Soon<Among> =>
  ids.length === 0
    ? none
    : after(ctx.cache.entity(following).find(userId), ({ value }) =>
        value?.ids ? among(value.ids) : readFollowed(ctx, userId, ids),
      );

async function readFollowed(ctx: Ctx, userId: string, ids: string[]): Promise<Among> {
  const rows = await ctx.db
    .select({ id: follows.targetId })
    .from(follows)
    .where(and(eq(follows.userId, userId), inArray(follows.targetId, ids)));
  return new Set(rows.map(({ id }) => id));
}

/** From the table: what decides by it must not decide by what was. */
export async function countFollowers({ sql }: Pick<Ctx, "sql">, userId: string): Promise<number> {
  const [row] = await sql<
    { followers: number }[]
  >`select followers from user_counts where user_id = ${userId}`;
  return row?.followers ?? 0;
}

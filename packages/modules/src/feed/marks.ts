// Liking and reposting: a mark by a user on a post, made and taken back any number of times with the same outcome.

import { after, allOf, type Soon } from "@signalbox/core/at-once";
import { AppError } from "@signalbox/core/errors";
import { tables } from "@signalbox/db";
import { and, eq } from "@signalbox/db/query";
import type { z } from "zod";
import { type Among, among } from "../among.ts";
import { type AsUser, emit, one, transaction } from "../ctx.ts";
import { forgetMarks, type Marks, marks, type StoredPost } from "./cached.ts";
import { countPost } from "./counts.ts";
import { postLiked, postReposted, postUnliked, postUnreposted } from "./events.ts";
import { hydrateOne } from "./read/hydrate.ts";
import { noPost, refuseHidden } from "./read/rules.ts";
import type { ById } from "./schema.ts";

const { likes, posts, reposts } = tables;

type Kind = {
  table: typeof likes | typeof reposts;
  counter: "likes" | "reposts";
  made: typeof postLiked | typeof postReposted;
  taken: typeof postUnliked | typeof postUnreposted;
};
const liking: Kind = { table: likes, counter: "likes", made: postLiked, taken: postUnliked };
const reposting: Kind = { table: reposts, counter: "reposts", made: postReposted, taken: postUnreposted };

export async function like(ctx: AsUser, { id }: z.infer<typeof ById>): Promise<void> {
  const post = await hydrateOne(ctx, id);
  await refuseHidden(ctx, post);
  await mark(ctx, post, liking);
}

export async function repost(ctx: AsUser, { id }: z.infer<typeof ById>): Promise<void> {
  const post = await hydrateOne(ctx, id);
  await refuseHidden(ctx, post);
  if (post.visibility !== "public")
    throw new AppError(
      "forbidden",
      "this post is for its author's followers; only public posts can be reposted",
    );
  await mark(ctx, post, reposting);
}

// A mark is its owner's to take back, also where its post is no longer shown to him.
export const unlike = async (ctx: AsUser, { id }: z.infer<typeof ById>) =>
  unmark(ctx, await hydrateOne(ctx, id), liking);
export const unrepost = async (ctx: AsUser, { id }: z.infer<typeof ById>) =>
  unmark(ctx, await hydrateOne(ctx, id), reposting);

async function mark(ctx: AsUser, post: StoredPost, { table, counter, made }: Kind): Promise<void> {
  const row = { userId: ctx.actor.id, postId: post.id, authorId: post.userId };
  await transaction(ctx, async (ctx) => {
    // Deleting waits for us, or we find it deleted: no mark is left on a post that is gone.
    one(
      await ctx.db
        .select({ id: posts.id })
        .from(posts)
        .where(and(eq(posts.userId, post.userId), eq(posts.id, post.id)))
        .for("key share"),
      noPost,
    );
    const added = await ctx.db.insert(table).values(row).onConflictDoNothing().returning();
    if (added.length === 0) return;
    await countPost(ctx, post, { [counter]: 1 });
    await emit(ctx, made, row);
    ctx.afterCommit(() => forgetMarks(ctx, [row.userId]));
  });
}

async function unmark(ctx: AsUser, post: StoredPost, { table, counter, taken }: Kind): Promise<void> {
  const row = { userId: ctx.actor.id, postId: post.id, authorId: post.userId };
  await transaction(ctx, async (ctx) => {
    const gone = await ctx.db
      .delete(table)
      .where(and(eq(table.userId, row.userId), eq(table.postId, row.postId)))
      .returning();
    if (gone.length === 0) return;
    await countPost(ctx, post, { [counter]: -1 });
    await emit(ctx, taken, row);
    ctx.afterCommit(() => forgetMarks(ctx, [row.userId]));
  });
}

/** Of these posts, those that the user liked and those that he reposted. */
export const marksOn = (
  ctx: Pick<AsUser, "sql" | "cache">,
  userId: string,
  ids: string[],
): Soon<{ liked: Among; reposted: Among }> =>
  after(ctx.cache.entity(marks).find(userId), ({ value }) =>
    after(
      allOf([
        markedAmong(ctx, "likes", userId, ids, value?.liked),
        markedAmong(ctx, "reposts", userId, ids, value?.reposted),
      ]),
      ([liked, reposted]) => ({ liked, reposted }),
    ),
  );

/** What is older than what is kept is asked for. */
function markedAmong(
  ctx: Pick<AsUser, "sql">,
  table: "likes" | "reposts",
  userId: string,
  ids: string[],
  known: Marks["liked"] | undefined,
): Soon<Among> {
  if (known === undefined) return readMarked(ctx, table, userId, ids);
  const { downTo } = known;
  const older = downTo === null ? [] : ids.filter((id) => id < downTo);
  const kept = among(known.ids);
  if (older.length === 0) return kept;
  return after(readMarked(ctx, table, userId, older), (read) => ({
    has: (id) => kept.has(id) || read.has(id),
  }));
}

async function readMarked(
  { sql }: Pick<AsUser, "sql">,
  table: "likes" | "reposts",
  userId: string,
  ids: string[],
): Promise<Among> {
  const rows = await sql<{ id: string }[]>`
    select post_id as id from ${sql(table)} where user_id = ${userId} and post_id = any(${ids}::uuid[])`;
  return new Set(rows.map(({ id }) => id));
}

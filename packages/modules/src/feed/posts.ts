// Posts: written once with the event that tells of them, and shown in one shape everywhere.

import { AppError } from "@signalbox/core/errors";
import { newId } from "@signalbox/core/ids";
import { tables } from "@signalbox/db";
import { and, desc, eq, inArray, lt } from "@signalbox/db/query";
import type { z } from "zod";
import { type AsUser, type Ctx, emit, one, transaction } from "../ctx.ts";
import { openCursor, toPage } from "../page.ts";
import { blockedAmong, knownUser, readPeople } from "../users/index.ts";
import { postCreated, postDeleted } from "./events.ts";
import type { ById, CreatePost, FeedItem, FeedPage, PostsOf } from "./schema.ts";
import { pushToTimelines } from "./timeline.ts";

const { posts } = tables;
export type Post = typeof posts.$inferSelect;

export async function createPost(ctx: AsUser, input: z.infer<typeof CreatePost>): Promise<FeedItem> {
  const userId = ctx.actor.id;
  const post = await transaction(ctx, async (ctx) => {
    const post = one(
      await ctx.db.insert(posts).values({ userId, id: newId(), text: input.text }).returning(),
    );
    await emit(ctx, postCreated, { userId, id: post.id });
    return post;
  });
  // The author reads it back at once, whatever the workers do; the event repeats this should Redis be away now.
  await pushToTimelines(ctx, [userId], post.id).catch((error) =>
    ctx.log.debug({ error }, "own timeline not reached; the event will"),
  );
  return one(await presentPosts(ctx, [post]));
}

export async function readPost(ctx: Ctx, { id }: z.infer<typeof ById>): Promise<FeedItem> {
  const post = await knownPost(ctx, id);
  // To whom its author is hidden, it does not exist.
  if (ctx.actor.kind === "user" && (await blockedAmong(ctx, ctx.actor.id, [post.userId])).size > 0)
    throw noPost();
  return one(await presentPosts(ctx, [post]), noPost);
}

export async function deletePost(ctx: AsUser, { id }: z.infer<typeof ById>): Promise<void> {
  const post = await knownPost(ctx, id);
  if (post.userId !== ctx.actor.id) throw new AppError("forbidden", "only its author can delete a post");
  await removePost(ctx, post);
}

/** Whoever decides it; gone already: nothing changes. */
export async function removePost(ctx: Ctx, { userId, id }: Pick<Post, "userId" | "id">): Promise<void> {
  await transaction(ctx, async (ctx) => {
    const gone = await ctx.db
      .delete(posts)
      .where(and(eq(posts.userId, userId), eq(posts.id, id)))
      .returning();
    if (gone.length > 0) await emit(ctx, postDeleted, { userId, id });
  });
}

export async function listPostsOf(
  ctx: Ctx,
  { handle, limit, cursor }: z.infer<typeof PostsOf>,
): Promise<FeedPage> {
  const author = await knownUser(ctx, handle);
  const rows = await postsBefore(ctx, [author.id], openCursor(cursor)?.[0], limit + 1);
  const { items, nextCursor } = toPage(
    rows,
    limit,
    (row) => row.id,
    (row) => row,
  );
  return { items: await presentPosts(ctx, items), nextCursor };
}

const noPost = () => new AppError("not_found", "there is no post under this id");

async function knownPost(ctx: Ctx, id: string): Promise<Post> {
  const [post] = await ctx.db.select().from(posts).where(eq(posts.id, id)).limit(1);
  if (!post) throw noPost();
  return post;
}

/** The newest posts of these authors, each author's by its own key, so that the cost does not grow with the table. */
export async function postsBefore(
  ctx: Ctx,
  authorIds: string[],
  before: string | undefined,
  limit: number,
): Promise<Post[]> {
  if (authorIds.length === 0) return [];
  if (authorIds.length === 1) {
    const own = and(eq(posts.userId, authorIds[0]!), before ? lt(posts.id, before) : undefined);
    return ctx.db.select().from(posts).where(own).orderBy(desc(posts.id)).limit(limit);
  }
  return ctx.sql<Post[]>`
    select post.user_id as "userId", post.id, post.text, post.created_at as "createdAt", post.edited_at as "editedAt"
    from unnest(${authorIds}::uuid[]) as author (id)
    cross join lateral (
      select * from posts where posts.user_id = author.id ${before ? ctx.sql`and posts.id < ${before}` : ctx.sql``}
      order by posts.id desc limit ${limit}
    ) as post
    order by post.id desc limit ${limit}`;
}

export async function postsByIds(ctx: Ctx, ids: string[]): Promise<Post[]> {
  return ids.length === 0
    ? []
    : ctx.db.select().from(posts).where(inArray(posts.id, ids)).orderBy(desc(posts.id));
}

/** A post whose author is gone is not shown. */
export async function presentPosts(ctx: Ctx, rows: Post[]): Promise<FeedItem[]> {
  const people = await readPeople(ctx, [...new Set(rows.map((row) => row.userId))]);
  return rows.flatMap((row) => {
    const author = people.get(row.userId);
    if (!author) return [];
    return {
      id: row.id,
      text: row.text,
      author,
      createdAt: row.createdAt.toISOString(),
      editedAt: row.editedAt?.toISOString() ?? null,
      replyTo: null,
      media: [],
      counts: { likes: 0, replies: 0, reposts: 0 },
      viewer: { liked: false, reposted: false },
    };
  });
}

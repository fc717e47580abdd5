// Posts: written once with the event that tells of them, edited with what they said before kept, and deleted for good.

import type { Soon } from "@signalbox/core/at-once";
import { AppError } from "@signalbox/core/errors";
import { newId } from "@signalbox/core/ids";
import { tables } from "@signalbox/db";
import { appendToOutbox } from "@signalbox/db/outbox";
import { and, asc, desc, eq, inArray, lt, sql } from "@signalbox/db/query";
import type { z } from "zod";
import { type AsUser, type Ctx, emit, type InTransaction, one, tell, transaction } from "../ctx.ts";
import { openCursor, toPage } from "../page.ts";
import { fromReplica } from "../replicas/index.ts";
import { knownUser } from "../users/index.ts";
import { forgetPosts, type StoredPost } from "./cached.ts";
import { countPost } from "./counts.ts";
import { type Entities, extractEntities } from "./entities.ts";
import { postCreated, postDeleted, postEdited } from "./events.ts";
import { type NewPost, writePost } from "./new-posts.ts";
import { requirePost, tagged } from "./post-version.ts";
import { home } from "./read/home.ts";
import { hydrateOne } from "./read/hydrate.ts";
import { readPage } from "./read/page.ts";
import { present, presentNew } from "./read/present.ts";
import { noPost, refuseHidden, visible } from "./read/rules.ts";
import { byAuthor, byParent } from "./read/skeleton.ts";
import type {
  ById,
  CreatePost,
  EditPost,
  FeedItem,
  FeedPage,
  HistoryOf,
  Page,
  PostHistory,
  PostsOf,
  RepliesTo,
} from "./schema.ts";
import { pushToTimelines } from "./timeline.ts";

const { mentions, postEdits, posts } = tables;
type Post = typeof posts.$inferSelect;

export async function createPost(ctx: AsUser, input: z.infer<typeof CreatePost>): Promise<FeedItem> {
  const userId = ctx.actor.id;
  const parent = input.replyTo ? await answerable(ctx, input.replyTo) : null;
  const named = await extractEntities(ctx, input.text);
  const { text, visibility } = input;
  const id = newId();
  const replyTo = parent?.id ?? null;
  const mentions = named.mentions.map((person) => person.id);
  const told = tell(ctx, postCreated, { userId, id, visibility, replyTo, mentions });
  const post = { id, userId, text, visibility, named, told };
  const createdAt = parent ? await writeReply(ctx, post, parent) : await writePost(ctx, post);
  const [item] = await Promise.all([
    presentNew(ctx, {
      id,
      userId,
      text,
      visibility,
      replyTo,
      entities: named,
      createdAt: createdAt.toISOString(),
      editedAt: null,
    }),
    // The author reads it back at once, whatever the workers do; the event repeats this should Redis be away now.
    pushToTimelines(ctx, [userId], id).catch((error) =>
      ctx.log.debug({ error }, "own timeline not reached; the event will"),
    ),
  ]);
  if (!item) throw new AppError("unauthorized", "this account no longer exists");
  return item;
}

/** Under a lock on what it answers, which is counted in the same transaction. */
const writeReply = (
  ctx: Ctx,
  { id, userId, text, visibility, named, told }: NewPost,
  parent: StoredPost,
): Promise<Date> =>
  transaction(ctx, async (ctx) => {
    if (!(await lockPost(ctx, parent))) throw noParent();
    // Sent together: none waits for the answer to another.
    const [rows] = await Promise.all([
      ctx.db
        .insert(posts)
        .values({ userId, id, text, visibility, replyTo: parent.id, ...columnsOf(named) })
        .returning({ createdAt: posts.createdAt }),
      writeMentions(ctx, id, named),
      countPost(ctx, parent, { replies: 1 }),
      appendToOutbox(ctx.db, told),
    ]);
    return one(rows).createdAt;
  });

const noParent = () =>
  new AppError("invalid", "replyTo: there is no such post", {
    errors: [{ field: "replyTo", message: "there is no such post" }],
  });

/** What the author can not see, he can not answer. */
async function answerable(ctx: Ctx, id: string): Promise<StoredPost> {
  try {
    const post = await hydrateOne(ctx, id);
    await refuseHidden(ctx, post);
    return post;
  } catch (error) {
    throw error instanceof AppError && error.code === "not_found" ? noParent() : error;
  }
}

export async function editPost(ctx: AsUser, input: z.infer<typeof EditPost>): Promise<FeedItem> {
  await ownPost(ctx, input.id, "edit");
  const named = input.text === undefined ? undefined : await extractEntities(ctx, input.text);
  const userId = ctx.actor.id;
  await transaction(ctx, async (ctx) => {
    const key = and(eq(posts.userId, userId), eq(posts.id, input.id));
    const before = one(await ctx.db.select().from(posts).where(key).for("update"), noPost);
    requirePost(ctx, before);
    const text = input.text ?? before.text;
    const visibility = input.visibility ?? before.visibility;
    if (text === before.text && visibility === before.visibility) return;
    const isNewText = text !== before.text;
    if (isNewText)
      await ctx.db.insert(postEdits).values({
        userId,
        postId: before.id,
        id: newId(),
        text: before.text,
        writtenAt: before.editedAt ?? before.createdAt,
      });
    const row = one(
      await ctx.db
        .update(posts)
        .set({
          text,
          visibility,
          ...(isNewText ? { editedAt: sql`now()`, ...(named ? columnsOf(named) : {}) } : {}),
        })
        .where(key)
        .returning(),
    );
    if (isNewText && named) {
      await ctx.db.delete(mentions).where(eq(mentions.postId, row.id));
      await writeMentions(ctx, row.id, named);
    }
    await emit(ctx, postEdited, {
      userId,
      id: row.id,
      visibility: row.visibility,
      mentions: named?.mentions.map(({ id }) => id) ?? [],
    });
    ctx.afterCommit(() => forgetPosts(ctx, [row.id]));
  });
  return tagged(ctx, one(await present(ctx, [await hydrateOne(ctx, input.id)]), noPost));
}

const columnsOf = ({ hashtags, links }: Entities) => ({
  hashtags: hashtags.length > 0 ? hashtags : null,
  links: links.length > 0 ? links : null,
});

async function writeMentions(ctx: InTransaction, postId: string, { mentions: named }: Entities) {
  if (named.length === 0) return;
  await ctx.db.insert(mentions).values(named.map(({ id, handle }) => ({ userId: id, postId, handle })));
}

/** Keeps a post from being deleted until the transaction ends; false: it is gone. */
async function lockPost(ctx: InTransaction, { userId, id }: Pick<Post, "userId" | "id">): Promise<boolean> {
  const found = await ctx.db
    .select({ id: posts.id })
    .from(posts)
    .where(and(eq(posts.userId, userId), eq(posts.id, id)))
    .for("key share");
  return found.length > 0;
}

export async function deletePost(ctx: AsUser, { id }: z.infer<typeof ById>): Promise<void> {
  await removePost(ctx, await ownPost(ctx, id, "delete"), (row) => requirePost(ctx, row));
}

async function ownPost(ctx: AsUser, id: string, verb: string): Promise<StoredPost> {
  const post = await hydrateOne(ctx, id);
  if (post.userId === ctx.actor.id) return post;
  await refuseHidden(ctx, post);
  throw new AppError("forbidden", `only its author can ${verb} a post`);
}

/** Whoever decides it; gone already: nothing changes. What hangs on it is cleared away when the event arrives. */
export async function removePost(
  ctx: Ctx,
  { userId, id }: Pick<Post, "userId" | "id">,
  check?: (gone: Post) => void,
): Promise<void> {
  await transaction(ctx, async (ctx) => {
    const [gone] = await ctx.db
      .delete(posts)
      .where(and(eq(posts.userId, userId), eq(posts.id, id)))
      .returning();
    if (!gone) return;
    // What it throws puts the post back.
    check?.(gone);
    await ctx.db.delete(postEdits).where(and(eq(postEdits.userId, userId), eq(postEdits.postId, id)));
    await ctx.db.delete(mentions).where(eq(mentions.postId, id));
    if (gone.replyTo) await uncountReply(ctx, gone.replyTo);
    await emit(ctx, postDeleted, { userId, id });
    ctx.afterCommit(() => forgetPosts(ctx, [id]));
  });
}

async function uncountReply(ctx: InTransaction, parentId: string): Promise<void> {
  const [parent] = await ctx.db
    .select({ userId: posts.userId, id: posts.id })
    .from(posts)
    .where(eq(posts.id, parentId))
    .for("key share");
  if (parent) await countPost(ctx, parent, { replies: -1 });
}

export async function readPost(ctx: Ctx, { id }: z.infer<typeof ById>): Promise<FeedItem> {
  const seen = await visible(ctx, [await hydrateOne(ctx, id)], "profile");
  return tagged(ctx, one(await present(ctx, seen), noPost));
}

export async function readHistory(
  ctx: Ctx,
  { id, limit, cursor }: z.infer<typeof HistoryOf>,
): Promise<z.infer<typeof PostHistory>> {
  const post = await hydrateOne(ctx, id);
  await refuseHidden(ctx, post);
  const list = `history ${id}`;
  const before = openCursor(list, cursor);
  const edits = await fromReplica(ctx, "feed.history", async ({ db }) =>
    db
      .select()
      .from(postEdits)
      .where(
        and(
          eq(postEdits.userId, post.userId),
          eq(postEdits.postId, id),
          before && before !== id ? lt(postEdits.id, before) : undefined,
        ),
      )
      .orderBy(desc(postEdits.id))
      .limit(limit + 1),
  );
  // What it says now comes first, and stands in the cursor as the post itself.
  const now = { id, text: post.text, writtenAt: new Date(post.editedAt ?? post.createdAt) };
  return toPage(
    list,
    before ? edits : [now, ...edits],
    limit,
    (row) => row.id,
    ({ text, writtenAt }) => ({ text, writtenAt: writtenAt.toISOString() }),
  );
}

export const readHome = (ctx: AsUser, page: z.infer<typeof Page>): Soon<FeedPage> =>
  readPage(ctx, "home", home(ctx), "home", page);

export async function listPostsOf(ctx: Ctx, { handle, ...page }: z.infer<typeof PostsOf>): Promise<FeedPage> {
  const author = await knownUser(ctx, handle);
  return readPage(ctx, `posts ${author.id}`, byAuthor(ctx, author.id), "profile", page);
}

export async function listReplies(ctx: Ctx, { id, ...page }: z.infer<typeof RepliesTo>): Promise<FeedPage> {
  await refuseHidden(ctx, await hydrateOne(ctx, id));
  return readPage(ctx, `replies ${id}`, byParent(ctx, id), "thread", page);
}

/** For moderators: from the truth, whoever may see them. */
export async function postsByIds(ctx: Ctx, ids: string[]): Promise<Post[]> {
  return ids.length === 0
    ? []
    : ctx.db.select().from(posts).where(inArray(posts.id, ids)).orderBy(asc(posts.id));
}

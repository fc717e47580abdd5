// Reading the home feed in four steps: skeleton (ids), hydrate (rows), rules (what this reader may see), present.

import { isDatabaseAway } from "@signalbox/db";
import type { AsUser } from "../ctx.ts";
import { openCursor, type Page, toPage } from "../page.ts";
import { followedAmong } from "../users/index.ts";
import { type Post, postsBefore, postsByIds, presentPosts } from "./posts.ts";
import type { FeedPage } from "./schema.ts";
import { feedAuthors, readTimeline, type Skeleton } from "./timeline.ts";

export async function readHome(ctx: AsUser, { limit, cursor }: Page): Promise<FeedPage> {
  const before = openCursor(cursor)?.[0];
  const skeleton = await skeletonOf(ctx);
  const wanted = limit + 1;
  const kept: Post[] = [];
  let reached = before;

  const ids = skeleton.ids.filter((id) => before === undefined || id < before);
  for (let from = 0; from < ids.length && kept.length < wanted; from += wanted) {
    const part = ids.slice(from, from + wanted);
    kept.push(...(await visible(ctx, await postsByIds(ctx, part))));
    reached = part.at(-1);
  }
  // Below the floor of the list the truth itself goes on, without a seam.
  if (kept.length < wanted && skeleton.more) {
    const authors = await feedAuthors(ctx, ctx.actor.id);
    kept.push(...(await postsBefore(ctx, authors, reached, wanted - kept.length)));
  }

  const { items, nextCursor } = toPage(
    kept.slice(0, wanted),
    limit,
    (post) => post.id,
    (post) => post,
  );
  return { items: await presentPosts(ctx, items), nextCursor };
}

/** Without Redis the feed is read from Postgres page by page: slower, never wrong. */
async function skeletonOf(ctx: AsUser): Promise<Skeleton> {
  try {
    return await readTimeline(ctx, ctx.actor.id);
  } catch (error) {
    if (isDatabaseAway(error)) throw error;
    ctx.log.warn(
      { error, requestId: ctx.requestId },
      "home timeline not readable; reading the feed from Postgres",
    );
    return { ids: [], more: true };
  }
}

/** A list may still hold what was there before an unfollow; the rule hides it from the very next read. */
async function visible(ctx: AsUser, rows: Post[]): Promise<Post[]> {
  const others = [...new Set(rows.map((row) => row.userId))].filter((id) => id !== ctx.actor.id);
  const followed = await followedAmong(ctx, ctx.actor.id, others);
  return rows.filter((row) => row.userId === ctx.actor.id || followed.has(row.userId));
}

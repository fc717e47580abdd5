// Reading the home feed in four steps: skeleton (ids), hydrate (rows), rules (what this reader may see), present.

import { isDatabaseAway } from "@signalbox/db";
import type { AsUser } from "../ctx.ts";
import { openCursor, type Page, toPage } from "../page.ts";
import { blockedAmong, followedAmong, mutedAmong } from "../users/index.ts";
import { type Post, postsBefore, postsByIds, presentPosts } from "./posts.ts";
import type { FeedPage } from "./schema.ts";
import { feedAuthors, readTimeline, type Skeleton } from "./timeline.ts";

export async function readHome(ctx: AsUser, { limit, cursor }: Page): Promise<FeedPage> {
  const wanted = limit + 1;
  const kept: Post[] = [];
  for await (const rows of candidates(ctx, openCursor(cursor)?.[0], wanted)) {
    kept.push(...(await visible(ctx, rows)));
    if (kept.length >= wanted) break;
  }
  const { items, nextCursor } = toPage(
    kept.slice(0, wanted),
    limit,
    (post) => post.id,
    (post) => post,
  );
  return { items: await presentPosts(ctx, items), nextCursor };
}

/** Posts of the feed from a place on, a page at a time: from the list, and below its floor from the truth itself, without a seam. */
async function* candidates(ctx: AsUser, before: string | undefined, size: number): AsyncGenerator<Post[]> {
  const skeleton = await skeletonOf(ctx);
  let reached = before;
  const ids = skeleton.ids.filter((id) => before === undefined || id < before);
  for (let from = 0; from < ids.length; from += size) {
    const part = ids.slice(from, from + size);
    yield postsByIds(ctx, part);
    reached = part.at(-1);
  }
  if (!skeleton.more) return;
  const authors = await feedAuthors(ctx, ctx.actor.id);
  for (;;) {
    const rows = await postsBefore(ctx, authors, reached, size);
    yield rows;
    if (rows.length < size) return;
    reached = rows.at(-1)!.id;
  }
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

/** A list may still hold what was there before an unfollow, a block or a mute; the rules hide it from the very next read. */
async function visible(ctx: AsUser, rows: Post[]): Promise<Post[]> {
  const me = ctx.actor.id;
  const others = [...new Set(rows.map((row) => row.userId))].filter((id) => id !== me);
  const [followed, blocked, muted] = await Promise.all([
    followedAmong(ctx, me, others),
    blockedAmong(ctx, me, others),
    mutedAmong(ctx, me, others),
  ]);
  const shown = (id: string) => id === me || (followed.has(id) && !blocked.has(id) && !muted.has(id));
  return rows.filter((row) => shown(row.userId));
}

// Step four of reading posts: what callers are shown, with the author, what was counted, and what the reader did.

import type { Ctx } from "../../ctx.ts";
import { optional } from "../../optional.ts";
import { readPeople } from "../../users/index.ts";
import { type Counts, counts, countsKey, type StoredPost } from "../cached.ts";
import { marksOn } from "../marks.ts";
import type { FeedItem } from "../schema.ts";

/** A post whose author is gone is not shown. `left` takes the names of what the items are shown without. */
export async function present(ctx: Ctx, posts: StoredPost[], left: string[] = []): Promise<FeedItem[]> {
  if (posts.length === 0) return [];
  const ids = posts.map(({ id }) => id);
  const [people, counted, marks] = await Promise.all([
    readPeople(ctx, [...new Set(posts.map(({ userId }) => userId))]),
    optional(ctx, "feed.item.counts", left, {
      read: () => ctx.cache.entity(counts).readMany(posts.map(countsKey)),
      without: () => new Map<string, Counts>(),
    }),
    marksOf(ctx, ids, left),
  ]);
  return posts.flatMap((post): FeedItem[] => {
    const author = people.get(post.userId);
    if (!author) return [];
    const liked = marks?.liked.has(post.id) ?? false;
    const reposted = marks?.reposted.has(post.id) ?? false;
    return [
      shownItem(post, author, counted.get(countsKey(post)) ?? nothing, viewers[+liked + 2 * +reposted]!),
    ];
  });
}

function marksOf(ctx: Ctx, ids: string[], left: string[]) {
  const { actor } = ctx;
  if (actor.kind !== "user") return undefined;
  return optional(ctx, "feed.item.viewer", left, {
    read: () => marksOn(ctx, actor.id, ids),
    without: () => ({ liked: new Set<string>(), reposted: new Set<string>() }),
  });
}

/** What nobody can have counted or marked yet. */
export async function presentNew(ctx: Ctx, post: StoredPost): Promise<FeedItem | undefined> {
  const author = (await readPeople(ctx, [post.userId])).get(post.userId);
  return author && toItem(post, author, nothing, viewers[0]!);
}

const nothing: Counts = Object.freeze({ likes: 0, replies: 0, reposts: 0 });
const viewers = [0, 1, 2, 3].map((bits) =>
  Object.freeze({ liked: (bits & 1) > 0, reposted: (bits & 2) > 0 }),
);

// Post, author and counts come from the cache, each the same object until it changes. So an item is made once for all who see the
// same, and whoever writes it as JSON keeps the text with it.
const shown = new WeakMap<StoredPost, FeedItem[]>();

function shownItem(
  post: StoredPost,
  author: FeedItem["author"],
  counted: Counts,
  viewer: FeedItem["viewer"],
): FeedItem {
  const at = viewers.indexOf(viewer);
  let items = shown.get(post);
  if (items === undefined) {
    items = [];
    shown.set(post, items);
  }
  let item = items[at];
  if (item?.author !== author || item.counts !== counted) {
    item = Object.freeze(toItem(post, author, counted, viewer));
    items[at] = item;
  }
  return item;
}

const noMedia: FeedItem["media"] = [];
Object.freeze(noMedia);

const toItem = (
  post: StoredPost,
  author: FeedItem["author"],
  counted: Counts,
  viewer: FeedItem["viewer"],
): FeedItem => ({
  id: post.id,
  text: post.text,
  author,
  createdAt: post.createdAt,
  editedAt: post.editedAt,
  replyTo: post.replyTo,
  visibility: post.visibility,
  entities: post.entities,
  media: noMedia,
  counts: counted,
  viewer,
});

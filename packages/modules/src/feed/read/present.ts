// Step four of reading posts: what callers are shown, with the author, what was counted, and what the reader did.

import { after, allOf, type Soon } from "@signalbox/core/at-once";
import { onceFor } from "@signalbox/core/once-for";
import { none } from "../../among.ts";
import type { Ctx } from "../../ctx.ts";
import { optional } from "../../optional.ts";
import { listPeople } from "../../users/index.ts";
import { type Counts, counts, countsKey, type StoredPost } from "../cached.ts";
import { marksOn } from "../marks.ts";
import type { FeedItem } from "../schema.ts";

/** A post whose author is gone is not shown. `left` takes the names of what the items are shown without. */
export function present(ctx: Ctx, posts: StoredPost[], left: string[] = []): Soon<FeedItem[]> {
  if (posts.length === 0) return [];
  const cards = posts.map(cardOf);
  return after(
    allOf([
      listPeople(
        ctx,
        posts.map(({ userId }) => userId),
      ),
      optional<(Counts | undefined)[]>(ctx, "feed.item.counts", left, {
        read: () => ctx.cache.entity(counts).list(cards.map(({ countsKey }) => countsKey)),
        without: () => [],
      }),
      marksOf(ctx, posts, left),
    ]),
    ([people, counted, { liked, reposted }]) =>
      posts.flatMap((post, at): FeedItem | [] => {
        const author = people[at];
        if (author === undefined) return [];
        const viewer = +liked.has(post.id) + 2 * +reposted.has(post.id);
        return shownItem(post, cards[at]!, author, counted[at] ?? nothing, viewer);
      }),
  );
}

const unmarked = { liked: none, reposted: none };

function marksOf(ctx: Ctx, posts: StoredPost[], left: string[]) {
  const { actor } = ctx;
  if (actor.kind !== "user") return unmarked;
  return optional(ctx, "feed.item.viewer", left, {
    read: () =>
      marksOn(
        ctx,
        actor.id,
        posts.map(({ id }) => id),
      ),
    without: () => unmarked,
  });
}

/** What nobody can have counted or marked yet. */
export async function presentNew(ctx: Ctx, post: StoredPost): Promise<FeedItem | undefined> {
  const [author] = await listPeople(ctx, [post.userId]);
  return author && toItem(post, author, nothing, viewers[0]!);
}

const nothing: Counts = Object.freeze({ likes: 0, replies: 0, reposts: 0 });
const viewers = [0, 1, 2, 3].map((bits) =>
  Object.freeze({ liked: (bits & 1) > 0, reposted: (bits & 2) > 0 }),
);

// Post, author and counts come from the cache, each the same object until it changes. So an item is made once for all who see the
// same, and whoever writes it as JSON keeps the text with it.
const cardOf = onceFor((post: StoredPost) => ({ countsKey: countsKey(post), items: [] as FeedItem[] }));

function shownItem(
  post: StoredPost,
  { items }: ReturnType<typeof cardOf>,
  author: FeedItem["author"],
  counted: Counts,
  viewer: number,
): FeedItem {
  let item = items[viewer];
  if (item?.author !== author || item.counts !== counted) {
    item = Object.freeze(toItem(post, author, counted, viewers[viewer]!));
    items[viewer] = item;
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

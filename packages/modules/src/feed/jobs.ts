// What the feed does when something was announced.

import { type Ctx, on } from "../ctx.ts";
import { userFollowed, userMuted, userUnfollowed, userUnmuted } from "../users/index.ts";
import { countsKey, forgetCounts, forgetMarks, forgetPosts } from "./cached.ts";
import {
  postCreated,
  postDeleted,
  postEdited,
  postLiked,
  postReposted,
  postUnliked,
  postUnreposted,
} from "./events.ts";
import { fanOut, spread, withdraw } from "./fan-out.ts";
import { dropTimelines } from "./timeline.ts";

type Post = { userId: string; id: string };

const chunk = 500;

/** What people did with a post that is gone. */
async function clearAway(ctx: Ctx, { userId, id }: Post): Promise<void> {
  for (const table of ["likes", "reposts"]) {
    for (;;) {
      const { count } = await ctx.sql`
        delete from ${ctx.sql(table)} where post_id = ${id} and user_id in (
          select user_id from ${ctx.sql(table)} where post_id = ${id} limit ${chunk})`;
      if (count < chunk) break;
    }
  }
  await ctx.sql`delete from post_counts where user_id = ${userId} and post_id = ${id}`;
  await forgetCounts(ctx, [countsKey({ userId, id })]);
}

// The second way by which a change reaches the cache, should the process that made it have died before it could tell.
const forget = (ctx: Ctx, { id }: Post) => forgetPosts(ctx, [id]);
const forgetMark = async (
  ctx: Ctx,
  { userId, postId, authorId }: { userId: string; postId: string; authorId: string },
) => {
  await Promise.all([
    forgetMarks(ctx, [userId]),
    forgetCounts(ctx, [countsKey({ userId: authorId, id: postId })]),
  ]);
};
const rebuild = (ctx: Ctx, { userId }: { userId: string }) => dropTimelines(ctx, [userId]);

/** What is done on queues. */
export const work = [spread];

export const jobs = [
  on(postCreated, "feed.timeline.push", fanOut),
  on(postEdited, "feed.post.forget", forget),
  on(postDeleted, "feed.post.forget", forget),
  ...[postLiked, postUnliked, postReposted, postUnreposted].map((event) =>
    on(event, "feed.mark.forget", forgetMark),
  ),
  on(postDeleted, "feed.post.clear", clearAway),
  on(postDeleted, "feed.timeline.withdraw", withdraw),
  on(userFollowed, "feed.timeline.join", rebuild),
  on(userUnfollowed, "feed.timeline.part", rebuild),
  on(userMuted, "feed.timeline.part", rebuild),
  on(userUnmuted, "feed.timeline.join", rebuild),
];

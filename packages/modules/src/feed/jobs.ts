// What the feed does when something was announced.

import { type Ctx, on } from "../ctx.ts";
import { followerIds, userFollowed, userUnfollowed } from "../users/index.ts";
import { postCreated } from "./events.ts";
import { dropTimeline, pushToTimelines } from "./timeline.ts";

const chunk = 500;

async function fanOut(ctx: Ctx, post: { userId: string; id: string }): Promise<void> {
  await pushToTimelines(ctx, [post.userId], post.id);
  for await (const ids of followerIds(ctx, post.userId, chunk)) await pushToTimelines(ctx, ids, post.id);
}

export const jobs = [
  on(postCreated, "feed.timeline.push", fanOut),
  on(userFollowed, "feed.timeline.join", (ctx, { userId }) => dropTimeline(ctx, userId)),
  on(userUnfollowed, "feed.timeline.part", (ctx, { userId }) => dropTimeline(ctx, userId)),
];

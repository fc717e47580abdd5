// Bringing a post to its followers' timelines, and taking it away again: chunk by chunk, and after a fault from where it stopped.

import type { Ctx } from "../ctx.ts";
import { followerIds } from "../users/index.ts";
import { isPushed } from "./pulled.ts";
import { pushToTimelines, removeFromTimelines } from "./timeline.ts";

const chunk = 500;
/** Longer than any event waits for its next attempt. */
const progressSeconds = 24 * 3600;

type Post = { userId: string; id: string };

export async function fanOut(ctx: Ctx, post: Post): Promise<void> {
  await pushToTimelines(ctx, [post.userId], post.id);
  if (await isPushed(ctx, post.userId))
    await overFollowers(ctx, post, (ids) => pushToTimelines(ctx, ids, post.id));
}

/** Readers do not see it any more; this takes back the room. */
export async function withdraw(ctx: Ctx, post: Post): Promise<void> {
  await removeFromTimelines(ctx, [post.userId], post.id);
  await overFollowers(ctx, post, (ids) => removeFromTimelines(ctx, ids, post.id));
}

async function overFollowers(ctx: Ctx, { userId }: Post, each: (ids: string[]) => Promise<void>) {
  const key = ctx.event && `feed:fan-out:${ctx.event.id}`;
  let after = (key && (await ctx.redis.get(key))) || undefined;
  let chunks = 0;
  for await (const ids of followerIds(ctx, userId, chunk, after)) {
    await each(ids);
    after = ids.at(-1);
    chunks += 1;
    // For a few chunks it costs less to begin anew.
    if (key && after && chunks % 4 === 0) await ctx.redis.set(key, after, "EX", progressSeconds);
  }
  if (key && chunks >= 4) await ctx.redis.del(key);
}

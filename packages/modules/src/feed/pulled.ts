// Very large authors: above a number of followers a post is not pushed to all of them but fetched by those who read. An author who
// crosses the number changes sides here, while his own events wait, so that no post of his falls between the two.

import type { Ctx } from "../ctx.ts";
import { countFollowers, followerIds } from "../users/index.ts";
import { forgetPulled } from "./cached.ts";
import { dropTimelines } from "./timeline.ts";

const chunk = 500;
/** He who hovers around the number does not change sides with each follower. */
const backBelow = 0.9;
/** Readers learn of a new side a moment later; what is pushed and fetched is shown once. */
const overlapMs = 10_000;

export const pullAboveOf = ({ live, now }: Pick<Ctx, "live" | "now">) =>
  live.rules().number("feed.pullAbove", now().getTime());

/** Whether a post of this author is pushed to followers. */
export async function isPushed(ctx: Ctx, userId: string): Promise<boolean> {
  const pullAbove = pullAboveOf(ctx);
  const [row] = await ctx.sql<{ since: Date }[]>`select since from pulled_authors where user_id = ${userId}`;
  const followers = await countFollowers(ctx, userId);
  if (row && followers <= pullAbove * backBelow) {
    // Lists are built with the posts of everyone, and of him none was pushed. Dropped first: one that is built meanwhile is whole
    // to this moment, and his later posts are pushed to it.
    for await (const ids of followerIds(ctx, userId, chunk)) await dropTimelines(ctx, ids);
    await ctx.sql`delete from pulled_authors where user_id = ${userId}`;
    await forgetPulled(ctx);
    return true;
  }
  if (row) return ctx.now().getTime() - row.since.getTime() < overlapMs;
  if (followers > pullAbove) {
    await ctx.sql`insert into pulled_authors (user_id, since) values (${userId}, ${ctx.now()}) on conflict do nothing`;
    await forgetPulled(ctx);
  }
  return true;
}

// Bringing a post to its followers' timelines, and taking it away again: chunk by chunk, and after a fault from where it stopped.

import type { Ctx } from "../ctx.ts";
import { wakeLive, wakeLiveFollowers } from "../live/wake.ts";
import { firstFollowers, firstFollowersSize, followersAfter } from "../users/index.ts";
import { readPulled } from "./cached.ts";
import { isPushed, pullAboveOf } from "./pulled.ts";
import { pushToTimelines, removeFromTimelines } from "./timeline.ts";

/** Followers that are read at once. */
const chunk = firstFollowersSize;
/** Longer than any event waits for its next attempt. */
const progressSeconds = 24 * 3600;

type Post = { userId: string; id: string };

export async function fanOut(ctx: Ctx, { userId, id }: Post): Promise<void> {
  const progress = ctx.event && `feed:fan-out:${ctx.event.id}`;
  const [stoppedAt, first, pulled] = await Promise.all([
    progress ? ctx.redis.get(progress) : null,
    firstFollowers(ctx, userId),
    readPulled(ctx),
  ]);
  // Whoever has so few followers can not be near the number, and nearly everyone has.
  const isSmall = first.length < chunk && pullAboveOf(ctx) >= chunk && !pulled.includes(userId);
  if (isSmall) return push(ctx, [userId, ...first], id);
  await push(ctx, [userId], id);
  if (!(await isPushed(ctx, userId))) return wakeLiveFollowers(ctx, userId);
  let ids = stoppedAt ? await followersAfter(ctx, userId, stoppedAt, chunk) : first;
  while (ids.length > 0) {
    const last = ids.at(-1)!;
    // The next chunk is on its way while this one is pushed.
    const [next] = await Promise.all([
      ids.length < chunk ? [] : followersAfter(ctx, userId, last, chunk),
      push(ctx, ids, id),
    ]);
    if (progress && next.length > 0) await ctx.redis.set(progress, last, "EX", progressSeconds);
    ids = next;
  }
  if (progress) await ctx.redis.del(progress);
}

/** Into their lists, and those who watch are told; they read the truth, so neither waits for the other. */
async function push(ctx: Ctx, userIds: string[], id: string): Promise<void> {
  await Promise.all([pushToTimelines(ctx, userIds, id), wakeLive(ctx, userIds)]);
}

/** Readers do not see it any more; this takes back the room, and does no harm when done twice. */
export async function withdraw(ctx: Ctx, { userId, id }: Post): Promise<void> {
  let ids = await followersAfter(ctx, userId, undefined, chunk);
  await removeFromTimelines(ctx, [userId, ...ids], id);
  while (ids.length === chunk) {
    ids = await followersAfter(ctx, userId, ids.at(-1), chunk);
    await removeFromTimelines(ctx, ids, id);
  }
}

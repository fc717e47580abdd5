// The skeleton of a home feed: the reader's list, merged with the posts of authors who are too large to push; below the list's
// floor the truth itself, without a seam. Without Redis it is the truth from the top: slower, never wrong.

import type { AsUser } from "../../ctx.ts";
import { fromReplica } from "../../replicas/index.ts";
import { blockedAmong, followedAmong, knownFollowed } from "../../users/index.ts";
import { marks, readPulled } from "../cached.ts";
import { readTimeline, type Timeline, unhidden } from "../timeline.ts";
import { newestOf, type Skeleton } from "./skeleton.ts";

export const home = (ctx: AsUser): Skeleton =>
  async function* (below, size) {
    const [timeline, pulled] = await Promise.all([timelineOf(ctx), pulledBy(ctx)]);
    let place = below;
    for (;;) {
      const listed = timeline.below(place, size);
      const merged =
        pulled.length === 0 ? listed : merge(listed, await newest(ctx, pulled, place, size), size);
      // Where the list ends, what lies below its floor is not whole yet.
      const whole = listed.length < size ? merged.filter((id) => timeline.holds(id)) : merged;
      if (whole.length > 0) yield whole;
      place = whole.at(-1) ?? place;
      if (whole.length < size) break;
    }
    if (timeline.isWhole) return;
    const authors = await unhidden(ctx, ctx.actor.id, await knownFollowed(ctx, ctx.actor.id));
    for (;;) {
      const ids = await newest(ctx, authors, place, size);
      yield ids;
      if (ids.length < size) return;
      place = ids.at(-1)!;
    }
  };

const newest = (ctx: AsUser, authors: string[], below: string | undefined, size: number) =>
  fromReplica(ctx, "feed.home", (ctx) => newestOf(ctx, authors, below, size));

const merge = (a: string[], b: string[], size: number) =>
  [...new Set([...a, ...b])].sort().reverse().slice(0, size);

async function pulledBy(ctx: AsUser): Promise<string[]> {
  const all = await readPulled(ctx);
  return all.length === 0 ? [] : [...(await followedAmong(ctx, ctx.actor.id, all))];
}

const nothing: Timeline = { below: () => [], holds: () => false, isWhole: false };

async function timelineOf(ctx: AsUser): Promise<Timeline> {
  const timeline = await readTimeline(ctx, ctx.actor.id).catch((error) => {
    ctx.log.warn(
      { error, requestId: ctx.requestId },
      "home timeline not readable; reading the feed from Postgres",
    );
    return undefined;
  });
  if (!timeline) await fetchAlong(ctx);
  return timeline ?? nothing;
}

/** Of whoever has no list much else is not there either: what the page asks for by and by is asked for at once. */
async function fetchAlong(ctx: AsUser): Promise<void> {
  const me = ctx.actor.id;
  // The page shows what it can without them.
  ctx.cache
    .entity(marks)
    .read(me)
    .catch(() => {});
  await Promise.all([knownFollowed(ctx, me), blockedAmong(ctx, me, [me])]);
}

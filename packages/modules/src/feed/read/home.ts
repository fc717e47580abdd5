// The skeleton of a home feed: the reader's list, merged with the posts of authors who are too large to push; below the list's
// floor the truth itself, without a seam. Without Redis it is the truth from the top: slower, never wrong.

import { after, allOf, type Soon } from "@signalbox/core/at-once";
import type { AsUser } from "../../ctx.ts";
import { fromReplica } from "../../replicas/index.ts";
import { blockedAmong, followedAmong, knownFollowed } from "../../users/index.ts";
import { marks, readPulled } from "../cached.ts";
import type { Timeline } from "../entries.ts";
import { readTimeline, unhidden } from "../timeline.ts";
import { fromQuery, newestOf, type Part, type Skeleton } from "./skeleton.ts";

export const home =
  (ctx: AsUser): Skeleton =>
  (below, size) =>
    after(allOf([timelineOf(ctx), pulledBy(ctx)]), ([timeline, pulled]) => {
      const listed = (place: string | undefined): Soon<Part> => {
        const pushed = timeline.below(place, size);
        return pulled.length === 0
          ? part(place, pushed, pushed)
          : newest(ctx, pulled, place, size).then((others) =>
              part(place, pushed, merge(pushed, others, size)),
            );
      };
      const part = (place: string | undefined, pushed: string[], merged: string[]): Part => {
        // Where the list ends, what lies below its floor is not whole yet.
        const ids = pushed.length < size ? merged.filter((id) => timeline.holds(id)) : merged;
        const last = ids.at(-1) ?? place;
        if (ids.length === size) return { ids, next: () => listed(last) };
        return timeline.isWhole ? { ids } : { ids, next: () => belowList(ctx)(last, size) };
      };
      return listed(below);
    });

const belowList =
  (ctx: AsUser): Skeleton =>
  async (below, size) => {
    const authors = await unhidden(ctx, ctx.actor.id, await knownFollowed(ctx, ctx.actor.id));
    return fromQuery((below, size) => newest(ctx, authors, below, size))(below, size);
  };

const newest = (ctx: AsUser, authors: string[], below: string | undefined, size: number) =>
  fromReplica(ctx, "feed.home", (ctx) => newestOf(ctx, authors, below, size));

const merge = (a: string[], b: string[], size: number) =>
  [...new Set([...a, ...b])].sort().reverse().slice(0, size);

const pulledBy = (ctx: AsUser): Soon<string[]> =>
  after(readPulled(ctx), (all) =>
    all.length === 0
      ? all
      : after(followedAmong(ctx, ctx.actor.id, all), (followed) => all.filter((id) => followed.has(id))),
  );

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

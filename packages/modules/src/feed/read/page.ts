// Reading a page of posts, wherever they come from: skeleton, hydrate, rules, present. Parts are read until the page is full, so
// that it is short only at the true end.

import { after, type Soon } from "@signalbox/core/at-once";
import type { z } from "zod";
import type { Ctx } from "../../ctx.ts";
import type { StoredPost } from "../cached.ts";
import type { FeedPage, Page } from "../schema.ts";
import { hydrate } from "./hydrate.ts";
import { isNew, openPlace, placeAfter, sealPlace, startOf } from "./place.ts";
import { present } from "./present.ts";
import { visible, type Where } from "./rules.ts";
import type { Part, Skeleton } from "./skeleton.ts";

export function readPage(
  ctx: Ctx,
  list: string,
  skeleton: Skeleton,
  where: Where,
  { limit, cursor }: z.infer<typeof Page>,
): Soon<FeedPage> {
  const place = openPlace(list, cursor);
  const readAtMs = ctx.now().getTime();
  // One more than the page holds tells whether there is another.
  const wanted = limit + 1;
  const kept: StoredPost[] = [];
  const fill = ({ ids, next }: Part): Soon<unknown> =>
    after(hydrate(ctx, place ? ids.filter((id) => isNew(place, id)) : ids), (posts) =>
      after(visible(ctx, posts, where), (seen) => {
        kept.push(...seen);
        return next && kept.length < wanted ? after(next(), fill) : undefined;
      }),
    );
  return after(after(skeleton(startOf(place), wanted), fill), () => {
    const page = kept.slice(0, limit);
    const given = page.map(({ id }) => id);
    const left: string[] = [];
    return after(present(ctx, page, left), (items) => ({
      items,
      ...(left.length > 0 ? { degraded: left } : {}),
      nextCursor: kept.length > limit ? sealPlace(list, placeAfter(place, given, readAtMs)) : null,
    }));
  });
}

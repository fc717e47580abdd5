// Reading a page of posts, wherever they come from: skeleton, hydrate, rules, present. Parts are read until the page is full, so
// that it is short only at the true end.

import type { z } from "zod";
import type { Ctx } from "../../ctx.ts";
import type { StoredPost } from "../cached.ts";
import type { FeedPage, Page } from "../schema.ts";
import { hydrate } from "./hydrate.ts";
import { isNew, openPlace, placeAfter, sealPlace, startOf } from "./place.ts";
import { present } from "./present.ts";
import { visible, type Where } from "./rules.ts";
import type { Skeleton } from "./skeleton.ts";

export async function readPage(
  ctx: Ctx,
  list: string,
  skeleton: Skeleton,
  where: Where,
  { limit, cursor }: z.infer<typeof Page>,
): Promise<FeedPage> {
  const place = openPlace(list, cursor);
  const readAtMs = ctx.now().getTime();
  // One more than the page holds tells whether there is another.
  const wanted = limit + 1;
  const kept: StoredPost[] = [];
  for await (const ids of skeleton(startOf(place), wanted)) {
    const posts = await hydrate(
      ctx,
      ids.filter((id) => isNew(place, id)),
    );
    kept.push(...(await visible(ctx, posts, where)));
    if (kept.length >= wanted) break;
  }
  const page = kept.slice(0, limit);
  const given = page.map(({ id }) => id);
  const left: string[] = [];
  const items = await present(ctx, page, left);
  return {
    items,
    ...(left.length > 0 ? { degraded: left } : {}),
    nextCursor: kept.length > limit ? sealPlace(list, placeAfter(place, given, readAtMs)) : null,
  };
}

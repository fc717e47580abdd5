// Step two of reading posts: the posts behind ids, in the order of the ids. What is gone falls out here; while the database is away
// what was kept serves, and the answer says so.

import { after, type Soon } from "@signalbox/core/at-once";
import type { Ctx } from "../../ctx.ts";
import { markStale } from "../../stale.ts";
import { posts, type StoredPost } from "../cached.ts";
import { noPost } from "./rules.ts";

export function hydrate(ctx: Ctx, ids: string[]): Soon<StoredPost[]> {
  const entity = ctx.cache.entity(posts);
  return after(
    entity.list(ids, (each) => markStale(ctx, entity, each)),
    (found) => found.filter((post) => post !== undefined),
  );
}

export async function hydrateOne(ctx: Ctx, id: string): Promise<StoredPost> {
  const entity = ctx.cache.entity(posts);
  const found = await entity.find(id);
  if (!found.value) throw noPost();
  markStale(ctx, entity, found);
  return found.value;
}

// Step two of reading posts: the posts behind ids, in the order of the ids. What is gone falls out here.

import type { Ctx } from "../../ctx.ts";
import { posts, type StoredPost } from "../cached.ts";
import { noPost } from "./rules.ts";

export async function hydrate(ctx: Ctx, ids: string[]): Promise<StoredPost[]> {
  const found = await ctx.cache.entity(posts).readMany(ids);
  return ids.flatMap((id) => found.get(id) ?? []);
}

export async function hydrateOne(ctx: Ctx, id: string): Promise<StoredPost> {
  const post = await ctx.cache.entity(posts).read(id);
  if (!post) throw noPost();
  return post;
}

// Step one of reading posts: which ids there are, newest first and below a place. No rule is applied here.

import type { Soon } from "@signalbox/core/at-once";
import type { Ctx } from "../../ctx.ts";
import { fromReplica } from "../../replicas/index.ts";

/** A stretch of a list; without `next` it was the last. */
export type Part = { ids: string[]; next?: () => Soon<Part> };
export type Skeleton = (below: string | undefined, size: number) => Soon<Part>;

/** A list that a query answers part by part. */
export function fromQuery(query: (below: string | undefined, size: number) => Promise<string[]>): Skeleton {
  const part: Skeleton = async (below, size) => {
    const ids = await query(below, size);
    return ids.length < size ? { ids } : { ids, next: () => part(ids.at(-1), size) };
  };
  return part;
}

export const byAuthor = (ctx: Ctx, userId: string): Skeleton =>
  fromQuery(async (below, size) => {
    const rows = await fromReplica(
      ctx,
      "feed.posts",
      async ({ sql }) => sql<{ id: string }[]>`
        select id from posts where user_id = ${userId} ${below ? sql`and id < ${below}` : sql``} order by id desc limit ${size}`,
    );
    return rows.map(({ id }) => id);
  });

export const byParent = (ctx: Ctx, postId: string): Skeleton =>
  fromQuery(async (below, size) => {
    const rows = await fromReplica(
      ctx,
      "feed.replies",
      async ({ sql }) => sql<{ id: string }[]>`
        select id from posts where reply_to = ${postId} ${below ? sql`and id < ${below}` : sql``} order by id desc limit ${size}`,
    );
    return rows.map(({ id }) => id);
  });

/** The newest of these authors, each one's by its own key, so that the cost does not grow with the table. */
export async function newestOf(
  { sql }: Pick<Ctx, "sql">,
  authorIds: string[],
  below: string | undefined,
  size: number,
): Promise<string[]> {
  if (authorIds.length === 0) return [];
  const rows = await sql<{ id: string }[]>`
    select post.id from unnest(${authorIds}::uuid[]) as author (id)
    cross join lateral (
      select id from posts where user_id = author.id ${below ? sql`and id < ${below}` : sql``} order by id desc limit ${size}
    ) as post
    order by post.id desc limit ${size}`;
  return rows.map(({ id }) => id);
}

/** The other way round: of what lies above a place, the oldest. */
export async function oldestAbove(
  { sql }: Pick<Ctx, "sql">,
  authorIds: string[],
  above: string,
  size: number,
): Promise<string[]> {
  const rows = await sql<{ id: string }[]>`
    select post.id from unnest(${authorIds}::uuid[]) as author (id)
    cross join lateral (
      select id from posts where user_id = author.id and id > ${above} order by id limit ${size}
    ) as post
    order by post.id limit ${size}`;
  return rows.map(({ id }) => id);
}

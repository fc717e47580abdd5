// The feed's read models, each compared with the truth a page at a time: home timelines, and the counters of posts.

import { idFloor } from "@signalbox/core/ids";
import type { Sql } from "@signalbox/db";
import type { Ctx } from "../ctx.ts";
import type { ReadModel, Step } from "../read-models/read-model.ts";
import { followedIds, userIdsAfter } from "../users/index.ts";
import { countsKey, forgetCounts, readPulled } from "./cached.ts";
import {
  buildTimeline,
  dropTimelines,
  feedAuthors,
  newestWindow,
  readEntries,
  windowOf,
} from "./timeline.ts";

const usersAtOnce = 100;
const postsAtOnce = 500;
/** What is younger may still be on its way through the workers. */
const settledMs = 10_000;

export const readModels: ReadModel[] = [
  {
    name: "timelines",
    module: "feed",
    text: "home timelines: lists of post ids in Redis, made from posts and follows",
    total: ({ sql }) => rowsOf(sql, "users"),
    async step(ctx, after, { heals }) {
      const ids = await userIdsAfter(ctx, after, usersAtOnce);
      let wrong = 0;
      for (const userId of ids) {
        if (await isTimelineRight(ctx, userId)) continue;
        wrong += 1;
        if (!heals) continue;
        await dropTimelines(ctx, [userId]);
        await buildTimeline(ctx, userId);
      }
      return { done: ids.length, wrong, after: ids.length < usersAtOnce ? null : ids.at(-1)! };
    },
  },
  {
    name: "counters",
    module: "feed",
    text: "likes, replies and reposts of posts, made from what was liked, answered and reposted",
    total: ({ sql }) => rowsOf(sql, "posts"),
    step: stepCounters,
  },
];

/** As the planner knows it, which costs nothing; of a table that it does not know yet, exactly. */
async function rowsOf(sql: Sql, table: string): Promise<number> {
  const [known] = await sql<{ rows: number }[]>`
    select reltuples::float8 as rows from pg_class where oid = ${table}::regclass`;
  if (known && known.rows >= 0) return known.rows;
  const [counted] = await sql<{ rows: number }[]>`select count(*)::float8 as rows from ${sql(table)}`;
  return counted!.rows;
}

/** Every post above the floor is there, and nothing else. Where there is no list there is nothing to be wrong. */
async function isTimelineRight(ctx: Ctx, userId: string): Promise<boolean> {
  const entries = await readEntries(ctx, userId);
  if (!entries) return true;
  const authors = await feedAuthors(ctx, userId);
  const pulled = new Set(await readPulled(ctx));
  const settled = idFloor(new Date(ctx.now().getTime() - settledMs));
  // A list holds a few more than its size, so more of the truth is read than it can hold.
  const size = Math.max(entries.ids.length, windowOf(ctx)) + 1;
  const pushed = await newestWindow(
    ctx,
    authors.filter((id) => id === userId || !pulled.has(id)),
    size,
  );
  const held = new Set(entries.ids);
  if (pushed.some((id) => id > entries.floor && id < settled && !held.has(id))) return false;
  const truth = new Set(pushed);
  const others = entries.ids.filter((id) => id < settled && !truth.has(id));
  if (others.length === 0) return true;
  // Posts of someone who is pulled or muted by now, or older than what was read; anything else does not belong here.
  const possible = [userId, ...(await followedIds(ctx, userId))];
  const [known] = await ctx.sql<{ rows: number }[]>`
    select count(*)::int as rows from posts where id = any(${others}::uuid[]) and user_id = any(${possible}::uuid[])`;
  return known!.rows === others.length;
}

// Truth and counters are read in one statement, so in one instant: their difference is what is wrong, whatever is counted while the
// statement runs, and adding it is right although people go on liking.
async function stepCounters(ctx: Ctx, after: string | null, { heals }: { heals: boolean }): Promise<Step> {
  const { sql } = ctx;
  const [fromUser, fromPost] = after?.split(":") ?? [];
  const nothing = sql`select null::uuid as user_id, null::uuid as post_id where false`;
  const heal = sql`
    insert into post_counts (user_id, post_id, slot, likes, replies, reposts)
    select user_id, id, 0, likes, replies, reposts from drift
    on conflict (user_id, post_id, slot) do update set
      likes = post_counts.likes + excluded.likes, replies = post_counts.replies + excluded.replies,
      reposts = post_counts.reposts + excluded.reposts
    returning user_id, post_id`;
  const [found] = await sql<{ done: number; last: string | null; wrong: string[] }[]>`
    with page as materialized (
      select user_id, id from posts
      ${fromUser && fromPost ? sql`where (user_id, id) > (${fromUser}, ${fromPost})` : sql``}
      order by user_id, id limit ${postsAtOnce}
    ), kept as (
      select post_counts.post_id as id, sum(likes) as likes, sum(replies) as replies, sum(reposts) as reposts
      from page join post_counts on post_counts.user_id = page.user_id and post_counts.post_id = page.id
      group by post_counts.post_id
    ), drift as materialized (
      select * from (
        select page.user_id, page.id,
          (select count(*) from likes where post_id = page.id) - coalesce(kept.likes, 0) as likes,
          (select count(*) from posts where reply_to = page.id) - coalesce(kept.replies, 0) as replies,
          (select count(*) from reposts where post_id = page.id) - coalesce(kept.reposts, 0) as reposts
        from page left join kept using (id)
      ) as differences where likes <> 0 or replies <> 0 or reposts <> 0
    ), healed as (${heals ? heal : nothing})
    select (select count(*)::int from page) as done,
      (select user_id || ':' || id from page order by user_id desc, id desc limit 1) as last,
      array(select user_id || ':' || id from drift) as wrong`;
  const { done, last, wrong } = found!;
  if (heals && wrong.length > 0)
    await forgetCounts(
      ctx,
      wrong.map((key) => {
        const [userId = "", id = ""] = key.split(":");
        return countsKey({ userId, id });
      }),
    );
  return { done, wrong: wrong.length, after: done < postsAtOnce ? null : last };
}

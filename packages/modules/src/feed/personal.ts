// What the feed holds of a person: posts and their history, likes, reposts, and being named by others. Timelines hold ids of posts
// only, and drop out by themselves.

import type { Ctx } from "../ctx.ts";
import { type Holding, untilNone } from "../holding.ts";
import { countsKey, forgetCounts, forgetMarks, forgetPosts, forgetPulled } from "./cached.ts";
import { spread } from "./fan-out.ts";
import { timelineKey } from "./timeline.ts";

const pageSize = 500;

export const holding: Holding = {
  name: "feed",
  kept: {
    "posts and what they said before": "until their author deletes them",
    "likes and reposts": "until they are taken back, or the post is deleted",
    "home timelines": "30 days after they were last read",
  },
  async *export({ sql }, userId) {
    for (const [kind, query] of [
      [
        "posts",
        sql`select id, text, visibility, reply_to as "replyTo", hashtags, links, created_at as "createdAt", edited_at as "editedAt"
          from posts where user_id = ${userId} order by id`,
      ],
      [
        "edits",
        sql`select post_id as "postId", text, written_at as "writtenAt" from post_edits where user_id = ${userId} order by id`,
      ],
      ["likes", sql`select post_id as "postId", created_at as "at" from likes where user_id = ${userId}`],
      ["reposts", sql`select post_id as "postId", created_at as "at" from reposts where user_id = ${userId}`],
      ["mentions", sql`select post_id as "postId", handle from mentions where user_id = ${userId}`],
    ] as const)
      for await (const rows of query.cursor(pageSize)) for (const record of rows) yield { kind, record };
  },
  erase: [
    { name: "likes", run: (ctx, userId) => takeBack(ctx, "likes", userId) },
    { name: "reposts", run: (ctx, userId) => takeBack(ctx, "reposts", userId) },
    { name: "posts", run: removePosts },
    {
      name: "mentions",
      run: (ctx, userId) =>
        untilNone(async (limit) => {
          const rows = await ctx.sql<{ id: string }[]>`
            delete from mentions where user_id = ${userId} and post_id in (
              select post_id from mentions where user_id = ${userId} limit ${limit}) returning post_id as id`;
          await forgetPosts(
            ctx,
            rows.map(({ id }) => id),
          );
          return { count: rows.length };
        }),
    },
    {
      name: "leftovers",
      run: async (ctx, userId) => {
        const gone =
          await ctx.sql`with edits as (delete from post_edits where user_id = ${userId} returning 1),
          counts as (delete from post_counts where user_id = ${userId} returning 1),
          side as (delete from pulled_authors where user_id = ${userId} returning 1)
          select from edits union all select from counts union all select from side`;
        await forgetPulled(ctx);
        return gone.count;
      },
    },
    {
      name: "posts on their way",
      run: ({ queues }, userId) => queues.remove(spread.queue, (stretch) => stretch.userId === userId),
    },
    { name: "timeline", run: ({ redis }, userId) => redis.del(timelineKey(userId)) },
  ],
};

type Marked = { author: string; post: string };
const keyOf = ({ author, post }: Marked) => countsKey({ userId: author, id: post });

/** The posts of others count one less, each in the transaction that takes the mark away. */
function takeBack(ctx: Ctx, table: "likes" | "reposts", userId: string): Promise<number> {
  const { sql } = ctx;
  return untilNone(async (limit) => {
    const rows = await sql<Marked[]>`
      with gone as (
        delete from ${sql(table)} where user_id = ${userId} and post_id in (
          select post_id from ${sql(table)} where user_id = ${userId} limit ${limit}) returning author_id, post_id
      ), counted as (
        insert into post_counts (user_id, post_id, slot, ${sql(table)})
        select author_id, post_id, 0, -1 from gone order by author_id, post_id
        on conflict (user_id, post_id, slot) do update set ${sql(table)} = post_counts.${sql(table)} - 1
      )
      select author_id as author, post_id as post from gone`;
    await forgetCounts(ctx, rows.map(keyOf));
    await forgetMarks(ctx, [userId]);
    return { count: rows.length };
  });
}

/** With what others did with them; a post that one of them answered counts one reply less. */
function removePosts(ctx: Ctx, userId: string): Promise<number> {
  const { sql } = ctx;
  return untilNone(async (limit) => {
    const rows = await sql<{ id: string; parent: string | null; parentAuthor: string | null }[]>`
      with gone as (
        delete from posts where user_id = ${userId} and id in (
          select id from posts where user_id = ${userId} limit ${limit}) returning id, reply_to
      ), answered as (
        select parent.user_id, parent.id, count(*)::int as replies
        from gone join posts parent on parent.id = gone.reply_to where parent.user_id <> ${userId}
        group by parent.user_id, parent.id
      ), counted as (
        insert into post_counts (user_id, post_id, slot, replies)
        select user_id, id, 0, -replies from answered order by user_id, id
        on conflict (user_id, post_id, slot) do update set replies = post_counts.replies + excluded.replies
      ), named as (delete from mentions using gone where mentions.post_id = gone.id),
      liked as (delete from likes using gone where likes.post_id = gone.id),
      reposted as (delete from reposts using gone where reposts.post_id = gone.id)
      select gone.id, answered.id as parent, answered.user_id as "parentAuthor"
      from gone left join answered on answered.id = gone.reply_to`;
    const parents = rows.flatMap(({ parent, parentAuthor }) =>
      parent && parentAuthor ? [countsKey({ userId: parentAuthor, id: parent })] : [],
    );
    await forgetPosts(
      ctx,
      rows.map(({ id }) => id),
    );
    await forgetCounts(ctx, [...new Set(parents), ...rows.map(({ id }) => countsKey({ userId, id }))]);
    return { count: rows.length };
  });
}

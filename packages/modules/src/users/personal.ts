// What users hold of a person: the profile, the handles, and edges to and from others.

import { tables } from "@signalbox/db";
import { eq } from "@signalbox/db/query";
import type { Ctx } from "../ctx.ts";
import { type Holding, untilNone } from "../holding.ts";
import { forgetFollowing, forgetHandles, forgetProfiles, forgetRelations } from "./cached.ts";
import { holdHandles } from "./handles.ts";

const { handles, userCounts, users } = tables;

export const holding: Holding = {
  name: "users",
  kept: {
    profile: "as long as the account",
    "handles given up, and those of whoever was erased, which are then free": "30 days",
    "follows, blocks and mutes": "until they are ended",
  },
  async *export({ db, sql }, userId) {
    for (const record of await db.select().from(users).where(eq(users.id, userId)))
      yield { kind: "profile", record };
    for (const record of await db.select().from(handles).where(eq(handles.userId, userId)))
      yield { kind: "handles", record };
    for (const [kind, edges] of [
      [
        "following",
        sql`select users.handle, edge.created_at as since from follows edge join users on users.id = edge.target_id where edge.user_id = ${userId}`,
      ],
      [
        "blocked",
        sql`select users.handle, edge.created_at as since from blocks edge join users on users.id = edge.target_id where edge.user_id = ${userId}`,
      ],
      [
        "muted",
        sql`select users.handle, edge.created_at as since from mutes edge join users on users.id = edge.target_id where edge.user_id = ${userId}`,
      ],
      [
        "followers",
        sql`select users.handle, edge.created_at as since from follows edge join users on users.id = edge.user_id where edge.target_id = ${userId}`,
      ],
    ] as const)
      for await (const rows of edges.cursor(500)) for (const record of rows) yield { kind, record };
  },
  async leave(ctx, userId) {
    const names = await ctx.db
      .delete(handles)
      .where(eq(handles.userId, userId))
      .returning({ handle: handles.handle });
    await holdHandles(
      ctx,
      names.map(({ handle }) => handle),
    );
    await ctx.db.delete(users).where(eq(users.id, userId));
    ctx.afterCommit(async () => {
      await forgetProfiles(ctx, [userId]);
      await forgetHandles(
        ctx,
        names.map(({ handle }) => handle),
      );
    });
  },
  erase: [
    { name: "following", run: (ctx, userId) => removeEdges(ctx, "user_id", userId) },
    { name: "followers", run: (ctx, userId) => removeEdges(ctx, "target_id", userId) },
    { name: "blocks", run: (ctx, userId) => removeRelations(ctx, "blocks", userId) },
    { name: "mutes", run: (ctx, userId) => removeRelations(ctx, "mutes", userId) },
    {
      name: "counts",
      run: async ({ db }, userId) =>
        (
          await db
            .delete(userCounts)
            .where(eq(userCounts.userId, userId))
            .returning({ id: userCounts.userId })
        ).length,
    },
    {
      name: "leftovers",
      run: async (ctx, userId) => {
        const gone = await ctx.sql`with names as (delete from handles where user_id = ${userId} returning 1)
          delete from users where id = ${userId} returning 1`;
        await Promise.all([
          forgetProfiles(ctx, [userId]),
          forgetRelations(ctx, [userId]),
          forgetFollowing(ctx, [userId]),
        ]);
        return gone.count;
      },
    },
  ],
};

/** The other side's count goes down with each follow, in the order in which every change locks counts. */
async function removeEdges(ctx: Ctx, side: "user_id" | "target_id", userId: string): Promise<number> {
  const other = side === "user_id" ? "target_id" : "user_id";
  const count = side === "user_id" ? "followers" : "following";
  return untilNone(async (limit) => {
    const rows = await ctx.sql.begin(async (sql) => {
      const others = await sql<{ id: string }[]>`
        select ${sql(other)} as id from follows where ${sql(side)} = ${userId} limit ${limit}`;
      const ids = others.map(({ id }) => id).sort();
      await sql`select from user_counts where user_id = any(${ids}::uuid[]) order by user_id for update`;
      return sql<{ id: string }[]>`
        with gone as (
          delete from follows where ${sql(side)} = ${userId} and ${sql(other)} = any(${ids}::uuid[]) returning ${sql(other)} as id),
        counted as (
          update user_counts set ${sql(count)} = ${sql(count)} - 1 from gone where user_counts.user_id = gone.id returning 1)
        select id from gone`;
    });
    const others = rows.map(({ id }) => id);
    await forgetProfiles(ctx, others);
    await forgetFollowing(ctx, side === "user_id" ? [userId] : others);
    return { count: rows.length };
  });
}

async function removeRelations(ctx: Ctx, table: "blocks" | "mutes", userId: string): Promise<number> {
  const rows = await ctx.sql<{ user_id: string; target_id: string }[]>`
    delete from ${ctx.sql(table)} where user_id = ${userId} or target_id = ${userId} returning user_id, target_id`;
  if (rows.length > 0)
    await forgetRelations(ctx, [...new Set(rows.flatMap((row) => [row.user_id, row.target_id]))]);
  return rows.length;
}

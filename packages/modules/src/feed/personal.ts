// What the feed holds of a person: posts. Timelines hold ids of posts only, and drop out by themselves.

import { tables } from "@signalbox/db";
import { and, asc, eq, gt } from "@signalbox/db/query";
import type { Ctx } from "../ctx.ts";
import { type Holding, untilNone } from "../holding.ts";

const { posts } = tables;
const pageSize = 500;

export const holding: Holding = {
  name: "feed",
  kept: { posts: "until their author deletes them", "home timelines": "30 days after they were last read" },
  async *export(ctx, userId) {
    for await (const record of postsOf(ctx, userId)) yield { kind: "posts", record };
  },
  erase: [
    {
      name: "posts",
      run: ({ sql }, userId) =>
        untilNone(
          (limit) => sql`
            delete from posts where user_id = ${userId} and id in (
              select id from posts where user_id = ${userId} limit ${limit})`,
        ),
    },
    {
      name: "timeline",
      run: ({ redis }, userId) =>
        redis.del(`feed:{${userId}}:home`, `feed:{${userId}}:late`, `feed:{${userId}}:generation`),
    },
  ],
};

async function* postsOf({ db }: Ctx, userId: string) {
  for (let after: string | undefined; ; ) {
    const page = await db
      .select()
      .from(posts)
      .where(and(eq(posts.userId, userId), after ? gt(posts.id, after) : undefined))
      .orderBy(asc(posts.id))
      .limit(pageSize);
    for (const { userId: _, ...post } of page) yield post;
    if (page.length < pageSize) return;
    after = page.at(-1)!.id;
  }
}

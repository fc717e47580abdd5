// The read model of users, compared with the truth a page at a time: how many follow a user, and how many he follows.

import type { Ctx } from "../ctx.ts";
import { forgetProfiles } from "./cached.ts";
import { userIdsAfter } from "./search.ts";

const usersAtOnce = 200;
type Step = { done: number; wrong: number; after: string | null };

export const readModels = [
  {
    name: "follow-counters",
    module: "users",
    text: "how many people follow a user and how many he follows, made from who follows whom",
    async total({ sql }: Ctx): Promise<number> {
      const [known] = await sql<{ rows: number }[]>`
        select count(*)::float8 as rows from users`;
      return known!.rows;
    },
    step: stepFollows,
  },
];

// A follow locks both rows before it changes anything, so under the same lock truth and counters stand still for these users.
async function stepFollows(ctx: Ctx, after: string | null, { heals }: { heals: boolean }): Promise<Step> {
  const ids = await userIdsAfter(ctx, after, usersAtOnce);
  const wrong = await ctx.sql.begin(async (sql) => {
    await sql`
      select from user_counts where user_id = any(${ids}::uuid[]) order by user_id for update`;
    const drift = sql`
      select asked.id as user_id,
        (select count(*)::int from follows where target_id = asked.id) as followers,
        (select count(*)::int from follows where user_id = asked.id) as following
      from unnest(${ids}::uuid[]) as asked (id)`;
    return heals
      ? sql<{ id: string }[]>`
          insert into user_counts (user_id, followers, following) select * from (${drift}) as truth
          on conflict (user_id) do update set followers = excluded.followers, following = excluded.following
          where (user_counts.followers, user_counts.following) <> (excluded.followers, excluded.following)
          returning user_id as id`
      : sql<{ id: string }[]>`
          select truth.user_id as id from (${drift}) as truth left join user_counts using (user_id)
          where (truth.followers, truth.following) is distinct from (user_counts.followers, user_counts.following)`;
  });
  if (heals && wrong.length > 0)
    await forgetProfiles(
      ctx,
      wrong.map(({ id }) => id),
    );
  return { done: ids.length, wrong: wrong.length, after: ids.length < usersAtOnce ? null : ids.at(-1)! };
}

// Counters of posts: exact, because they change in the transaction of what is counted, and cheap, because whoever finds a slot
// taken counts in another one and waits for nobody.

import { sql } from "@signalbox/db/query";
import type { InTransaction } from "../ctx.ts";
import { type Counts, countsKey, forgetCounts } from "./cached.ts";

const slots = 16;

export async function countPost(
  ctx: InTransaction,
  post: { userId: string; id: string },
  { likes = 0, replies = 0, reposts = 0 }: Partial<Counts>,
): Promise<void> {
  const { userId, id } = post;
  await ctx.db.execute(sql`
    with free as (
      select slot from post_counts where user_id = ${userId} and post_id = ${id}
      order by slot limit 1 for no key update skip locked
    ), any_slot as (
      select case when exists (select from post_counts where user_id = ${userId} and post_id = ${id})
        then floor(random() * ${slots})::int else 0 end as slot
    )
    insert into post_counts (user_id, post_id, slot, likes, replies, reposts)
    values (${userId}, ${id}, coalesce((select slot from free), (select slot from any_slot)), ${likes}, ${replies}, ${reposts})
    on conflict (user_id, post_id, slot) do update set
      likes = post_counts.likes + excluded.likes, replies = post_counts.replies + excluded.replies,
      reposts = post_counts.reposts + excluded.reposts`);
  ctx.afterCommit(() => forgetCounts(ctx, [countsKey(post)]));
}

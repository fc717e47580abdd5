// What notifications hold of a person: what he was told, and what others were told of him.

import { type Holding, untilNone } from "../holding.ts";

const pageSize = 500;
const keptDays = 180;

export const holding: Holding = {
  name: "notifications",
  kept: { "what you were told": `${keptDays} days, or until it is taken back` },
  async *export({ sql }, userId) {
    for await (const rows of sql`
      select kind, actor_id as "actorId", post_id as "postId", created_at as "at", read_at as "readAt"
      from notifications where user_id = ${userId} order by id`.cursor(pageSize))
      for (const record of rows) yield { kind: "notifications", record };
  },
  erase: [
    {
      name: "own",
      run: ({ sql }, userId) =>
        untilNone(
          (limit) => sql`
            delete from notifications where user_id = ${userId} and id in (
              select id from notifications where user_id = ${userId} limit ${limit})`,
        ),
    },
    {
      name: "of others",
      run: ({ sql }, userId) =>
        untilNone(
          (limit) => sql`
            delete from notifications where (user_id, id) in (
              select user_id, id from notifications where actor_id = ${userId} limit ${limit})`,
        ),
    },
  ],
  expire: [
    {
      name: "notifications",
      run: async ({ sql }) => {
        const gone = await sql`
          delete from notifications where (user_id, id) in (
            select user_id, id from notifications
            where created_at < now() - ${keptDays} * interval '1 day' limit ${10 * pageSize})`;
        return gone.count;
      },
    },
  ],
};

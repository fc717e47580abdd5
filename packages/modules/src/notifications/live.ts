// New notifications since a mark: what a live stream asks for whenever there may be some.

import type { AsUser } from "../ctx.ts";
import { followUp, type Since } from "../live/mark.ts";
import { columns, type Kept, present, shown } from "./notifications.ts";
import type { Notification } from "./schema.ts";

export const readLive = (ctx: AsUser, { after }: Since) =>
  followUp<Notification>({
    after,
    nowMs: ctx.now().getTime(),
    async idsAbove(floor, size) {
      const rows = await ctx.sql<{ id: string }[]>`
        select id from notifications where user_id = ${ctx.actor.id} and id > ${floor} order by id limit ${size}`;
      return rows.map(({ id }) => id);
    },
    async show(ids) {
      const rows = await ctx.sql<Kept[]>`
        select ${columns(ctx)} from notifications
        where user_id = ${ctx.actor.id} and id = any(${ids}::uuid[]) and ${shown(ctx)}`;
      return present(ctx, rows);
    },
  });

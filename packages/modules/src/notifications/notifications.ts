// Notifications: a row for each thing that was done with somebody, told once however often it is done and taken back.

import { newId } from "@signalbox/core/ids";
import { tables } from "@signalbox/db";
import { and, eq, inArray, isNull, sql } from "@signalbox/db/query";
import type { z } from "zod";
import type { AsUser, Ctx } from "../ctx.ts";
import { wakeLive } from "../live/wake.ts";
import { openCursor, type Page, toPage } from "../page.ts";
import { fromReplica } from "../replicas/index.ts";
import { readPeople } from "../users/index.ts";
import type { MarkRead, Notification, NotificationPage } from "./schema.ts";

const { notifications } = tables;
type Row = typeof notifications.$inferSelect;
type Told = Pick<Row, "kind" | "actorId" | "postId">;

/** Running twice changes nothing; nobody is told of what he did himself. */
export async function tell(ctx: Ctx, userIds: string[], { kind, actorId, postId }: Told): Promise<void> {
  const others = [...new Set(userIds)].filter((id) => id !== actorId);
  if (others.length === 0) return;
  const told = await ctx.db
    .insert(notifications)
    .values(others.map((userId) => ({ userId, id: newId(), kind, actorId, postId })))
    .onConflictDoNothing()
    .returning({ userId: notifications.userId });
  await wakeLive(
    ctx,
    told.map(({ userId }) => userId),
  );
}

export async function takeBack(ctx: Ctx, userId: string, { kind, actorId, postId }: Told): Promise<void> {
  await ctx.db
    .delete(notifications)
    .where(
      and(
        eq(notifications.userId, userId),
        eq(notifications.kind, kind),
        eq(notifications.actorId, actorId),
        postId === null ? isNull(notifications.postId) : eq(notifications.postId, postId),
      ),
    );
}

export async function forgetPost(ctx: Ctx, postId: string): Promise<void> {
  await ctx.db.delete(notifications).where(eq(notifications.postId, postId));
}

/** Of those whom the reader blocks, mutes or is blocked by, nothing is shown, by what holds now. */
export const shown = ({ sql, actor }: Pick<AsUser, "sql" | "actor">) => sql`
  not exists (select from blocks where blocks.user_id = ${actor.id} and blocks.target_id = actor_id)
  and not exists (select from blocks where blocks.user_id = actor_id and blocks.target_id = ${actor.id})
  and not exists (select from mutes where mutes.user_id = ${actor.id} and mutes.target_id = actor_id)`;

export const columns = ({ sql }: Pick<Ctx, "sql">) => sql`
  id, kind, actor_id as "actorId", post_id as "postId", created_at as "createdAt", read_at as "readAt"`;

export type Kept = Omit<Row, "userId">;

/** Whoever is gone since did nothing. */
export async function present(ctx: Ctx, rows: Kept[]): Promise<Notification[]> {
  const people = await readPeople(ctx, [...new Set(rows.map(({ actorId }) => actorId))]);
  return rows.flatMap(({ id, kind, actorId, postId, createdAt, readAt }): Notification[] => {
    const actor = people.get(actorId);
    return actor
      ? [{ id, kind, actor, postId, createdAt: createdAt.toISOString(), read: readAt !== null }]
      : [];
  });
}

export async function listNotifications(
  ctx: AsUser,
  { limit, cursor }: Page,
): Promise<z.infer<typeof NotificationPage>> {
  const before = openCursor("notifications", cursor);
  const rows = await fromReplica(
    ctx,
    "notifications.list",
    async (ctx) => ctx.sql<Kept[]>`
      select ${columns(ctx)} from notifications where user_id = ${ctx.actor.id}
        ${before ? ctx.sql`and id < ${before}` : ctx.sql``} and ${shown(ctx)}
      order by id desc limit ${limit + 1}`,
  );
  const page = toPage(
    "notifications",
    rows,
    limit,
    ({ id }) => id,
    (row) => row,
  );
  return { ...page, items: await present(ctx, page.items) };
}

export async function markRead(ctx: AsUser, { ids }: z.infer<typeof MarkRead>): Promise<void> {
  await ctx.db
    .update(notifications)
    .set({ readAt: sql`now()` })
    .where(
      and(
        eq(notifications.userId, ctx.actor.id),
        isNull(notifications.readAt),
        ids && inArray(notifications.id, ids),
      ),
    );
}

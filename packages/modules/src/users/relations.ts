// Who is hidden from whom: asked at nearly every read, so it comes from the cache.

import { after, type Soon } from "@signalbox/core/at-once";
import { onceFor } from "@signalbox/core/once-for";
import { tables } from "@signalbox/db";
import { and, eq, inArray, or } from "@signalbox/db/query";
import { type Among, among, none } from "../among.ts";
import type { Ctx } from "../ctx.ts";
import { type Relations, relations } from "./cached.ts";

const { blocks, mutes } = tables;

const notKnown: Relations = { blocks: null, blockedBy: null, mutes: null };

const readRelations = (ctx: Ctx, userId: string): Soon<Relations> =>
  after(ctx.cache.entity(relations).find(userId), ({ value }) => value ?? notKnown);

const hiddenBy = onceFor(({ blocks, blockedBy }: Relations): Among | undefined =>
  blocks && blockedBy ? new Set([...blocks, ...blockedBy]) : undefined,
);

/**
 * Did `by` block this user? Either of the two knows; undefined: neither is in this process's memory. Of a profile that many
 * read, the reader is the one who is not.
 */
export function peekBlocked({ cache }: Ctx, userId: string, by: string): boolean | undefined {
  if (userId === by) return false;
  const entity = cache.entity(relations);
  const { blocks } = entity.peek(by)?.value ?? {};
  return blocks?.includes(userId) ?? entity.peek(userId)?.value?.blockedBy?.includes(by);
}

export async function isBlockedBy(ctx: Ctx, userId: string, by: string): Promise<boolean> {
  if (userId === by) return false;
  const theirs = await readRelations(ctx, by);
  if (theirs.blocks) return theirs.blocks.includes(userId);
  const { blockedBy } = await readRelations(ctx, userId);
  if (blockedBy) return blockedBy.includes(by);
  const found = await ctx.db
    .select({ id: blocks.userId })
    .from(blocks)
    .where(and(eq(blocks.userId, by), eq(blocks.targetId, userId)));
  return found.length > 0;
}

/** Of these people, those who blocked the user or whom the user blocked: neither sees the other's posts. */
export const blockedAmong = (ctx: Ctx, userId: string, ids: string[]): Soon<Among> =>
  ids.length === 0
    ? none
    : after(readRelations(ctx, userId), (known) => hiddenBy(known) ?? readBlocked(ctx, userId, ids));

async function readBlocked(ctx: Ctx, userId: string, ids: string[]): Promise<Among> {
  const rows = await ctx.db
    .select()
    .from(blocks)
    .where(
      or(
        and(eq(blocks.userId, userId), inArray(blocks.targetId, ids)),
        and(eq(blocks.targetId, userId), inArray(blocks.userId, ids)),
      ),
    );
  return new Set(rows.map((row) => (row.userId === userId ? row.targetId : row.userId)));
}

/** Of these people, those whose posts the user does not want to see. */
export const mutedAmong = (ctx: Ctx, userId: string, ids: string[]): Soon<Among> =>
  ids.length === 0
    ? none
    : after(readRelations(ctx, userId), (known) =>
        known.mutes ? among(known.mutes) : readMuted(ctx, userId, ids),
      );

async function readMuted(ctx: Ctx, userId: string, ids: string[]): Promise<Among> {
  const rows = await ctx.db
    .select({ id: mutes.targetId })
    .from(mutes)
    .where(and(eq(mutes.userId, userId), inArray(mutes.targetId, ids)));
  return new Set(rows.map(({ id }) => id));
}

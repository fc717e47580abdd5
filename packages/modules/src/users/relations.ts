// Who is hidden from whom: asked at nearly every read, so it comes from the cache.

import { tables } from "@signalbox/db";
import { and, eq, inArray, or } from "@signalbox/db/query";
import type { Ctx } from "../ctx.ts";
import { type Relations, relations } from "./cached.ts";

const { blocks, mutes } = tables;

const readRelations = async (ctx: Ctx, userId: string): Promise<Relations> =>
  (await ctx.cache.entity(relations).read(userId)) ?? { blocks: null, blockedBy: null, mutes: null };

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
export async function blockedAmong(ctx: Ctx, userId: string, ids: string[]): Promise<Set<string>> {
  if (ids.length === 0) return new Set();
  const known = await readRelations(ctx, userId);
  if (known.blocks && known.blockedBy) {
    const either = new Set([...known.blocks, ...known.blockedBy]);
    return new Set(ids.filter((id) => either.has(id)));
  }
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
export async function mutedAmong(ctx: Ctx, userId: string, ids: string[]): Promise<Set<string>> {
  if (ids.length === 0) return new Set();
  const known = await readRelations(ctx, userId);
  if (known.mutes) {
    const muted = new Set(known.mutes);
    return new Set(ids.filter((id) => muted.has(id)));
  }
  const rows = await ctx.db
    .select({ id: mutes.targetId })
    .from(mutes)
    .where(and(eq(mutes.userId, userId), inArray(mutes.targetId, ids)));
  return new Set(rows.map(({ id }) => id));
}

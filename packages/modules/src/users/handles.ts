// Handles: one user each, over all shards. Who gives one up keeps it for a while: links to him go on working, and nobody can
// take his name the moment he leaves it.

import { AppError } from "@signalbox/core/errors";
import { blindIndex } from "@signalbox/core/vault";
import { tables } from "@signalbox/db";
import { and, eq, gt, type SQL, sql } from "@signalbox/db/query";
import type { InTransaction } from "../ctx.ts";
import { forgetHandles } from "./cached.ts";

const { handles, heldHandles } = tables;

const heldDays = 30;
/** More than that is collecting names, not changing one's own. */
const maxHeld = 10;

/** Takes a handle that is free, or the user's own earlier one; of several at once exactly one gets it. */
async function claimHandle(ctx: InTransaction, handle: string, userId: string): Promise<void> {
  const taken = await ctx.db.execute(claimOf(ctx, handle, userId));
  if (taken.length === 0) throw handleTaken(handle);
  // It may be known as free, or still lead to whoever had it before.
  ctx.afterCommit(() => forgetHandles(ctx, [handle]));
}

/** The statement that does it; `asked` is where else it depends on: it takes the handle once for each row of that. */
export const claimOf = (
  ctx: Pick<InTransaction, "secret">,
  handle: string,
  userId: string,
  asked: SQL = sql`(select 1) as asked`,
): SQL => sql`
  insert into handles (handle, user_id) select ${handle}, ${userId}::uuid from ${asked}
  where not exists (select from held_handles where handle = ${indexOf(ctx, handle)}::bytea and until > now())
  on conflict (handle) do update set user_id = excluded.user_id, held_until = null
  where handles.held_until < now() or handles.user_id = excluded.user_id
  returning user_id`;

export const handleTaken = (handle: string) => new AppError("conflict", `the handle ${handle} is taken`);

/** After an erasure: nobody takes the name the next day, and no row tells which name it is. */
export async function holdHandles(ctx: InTransaction, names: string[]): Promise<void> {
  if (names.length === 0) return;
  const until = sql`now() + ${heldDays} * interval '1 day'`;
  await ctx.db
    .insert(heldHandles)
    .values(names.map((name) => ({ handle: indexOf(ctx, name), until })))
    .onConflictDoUpdate({ target: heldHandles.handle, set: { until } });
}

const indexOf = ({ secret }: Pick<InTransaction, "secret">, handle: string) =>
  blindIndex(secret, "handle", handle);

export async function changeHandle(
  ctx: InTransaction,
  { userId, from, to }: { userId: string; from: string; to: string },
): Promise<void> {
  await claimHandle(ctx, to, userId);
  await ctx.db
    .update(handles)
    .set({ heldUntil: sql`now() + ${heldDays} * interval '1 day'` })
    .where(and(eq(handles.handle, from), eq(handles.userId, userId)));
  const held = await ctx.db.$count(
    handles,
    and(eq(handles.userId, userId), gt(handles.heldUntil, sql`now()`)),
  );
  if (held > maxHeld)
    throw new AppError(
      "conflict",
      `you gave up ${maxHeld} handles in ${heldDays} days, and they are kept for you; take one of them, or wait`,
    );
  ctx.afterCommit(() => forgetHandles(ctx, [from]));
}

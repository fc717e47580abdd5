// The one file that reads and writes phone numbers: unreadable without their user's key, and found by a keyed index.

import { blindIndex } from "@signalbox/core/vault";
import { tables } from "@signalbox/db";
import { eq } from "@signalbox/db/query";
import type { z } from "zod";
import { type AsUser, type Ctx, type InTransaction, transaction } from "../ctx.ts";
import { openFor, sealFor } from "../vault.ts";
import { note } from "./activity.ts";
import { confirmPassword } from "./confirm.ts";
import type { ChangePhone, OwnPhone } from "./schema.ts";

const { credentials } = tables;
const field = "credentials.phone";

const indexOf = ({ secret }: Pick<Ctx, "secret">, phone: string) => blindIndex(secret, "phone", phone);

export async function phoneOf(ctx: Ctx | InTransaction, userId: string): Promise<string | null> {
  const [row] = await ctx.db
    .select({ sealed: credentials.phoneSealed })
    .from(credentials)
    .where(eq(credentials.userId, userId));
  if (!row?.sealed) return null;
  return (await openFor(ctx, userId, field, row.sealed))?.toString() ?? null;
}

export const readPhone = async (ctx: AsUser): Promise<z.infer<typeof OwnPhone>> => ({
  phone: await phoneOf(ctx, ctx.actor.id),
});

export async function changePhone(ctx: AsUser, input: z.infer<typeof ChangePhone>): Promise<void> {
  const { id } = ctx.actor;
  const { phone } = input;
  await confirmPassword(ctx, id, input.password);
  await transaction(ctx, async (ctx) => {
    if ((await phoneOf(ctx, id)) === phone) return;
    const columns =
      phone === null
        ? { phoneSealed: null, phoneIndex: null }
        : { phoneSealed: await sealFor(ctx, id, field, phone), phoneIndex: indexOf(ctx, phone) };
    await ctx.db.update(credentials).set(columns).where(eq(credentials.userId, id));
    await note(ctx, id, phone === null ? "phone.removed" : "phone.changed");
  });
}

/** Nobody has proven a number, so where several claim it, it names none of them. */
export async function findByPhone(ctx: Ctx, phone: string): Promise<string | undefined> {
  const rows = await ctx.db
    .select({ userId: credentials.userId })
    .from(credentials)
    .where(eq(credentials.phoneIndex, indexOf(ctx, phone)))
    .limit(2);
  return rows.length === 1 ? rows[0]!.userId : undefined;
}

// What happened to an account, for its owner and for operators to read. Written with the change itself.

import { newId } from "@signalbox/core/ids";
import { tables } from "@signalbox/db";
import { and, desc, eq, lt } from "@signalbox/db/query";
import type { AsOperator, AsUser, Ctx, InTransaction } from "../ctx.ts";
import { openCursor, type Page, toPage } from "../page.ts";
import { type Device, openDevices, sealDevice } from "./device.ts";

const { auditEvents } = tables;

export type Kind =
  | "account.created"
  | "account.suspended"
  | "account.restored"
  | "email.changed"
  | "email.verified"
  | "phone.changed"
  | "phone.removed"
  | "erasure.asked"
  | "export.asked"
  | "password.changed"
  | "password.reset"
  | "role.changed"
  | "second_factor.added"
  | "second_factor.removed"
  | "recovery_code.used"
  | "session.created"
  | "session.ended"
  | "session.reused"
  | "sign_in.failed";

export function byOf({ actor }: Pick<Ctx, "actor">): string {
  if (actor.kind === "operator") return `operator ${actor.name}`;
  return actor.kind === "user" ? `user ${actor.id}` : actor.kind;
}

export async function note(
  ctx: Ctx | InTransaction,
  userId: string,
  kind: Kind,
  detail: Record<string, string> = {},
): Promise<void> {
  await ctx.db.insert(auditEvents).values({
    userId,
    id: newId(),
    kind,
    by: byOf(ctx),
    deviceSealed: await sealDevice(ctx, userId),
    detail,
  });
}

type Row = typeof auditEvents.$inferSelect;

const present = (row: Row & Device) => ({
  id: row.id,
  userId: row.userId,
  kind: row.kind,
  by: row.by,
  device: row.device,
  address: row.address,
  detail: row.detail,
  at: row.createdAt.toISOString(),
});

async function list(ctx: Ctx, userId: string | undefined, { limit, cursor }: Page) {
  const before = openCursor("activity", cursor);
  const rows = await ctx.db
    .select()
    .from(auditEvents)
    .where(
      and(
        userId ? eq(auditEvents.userId, userId) : undefined,
        before ? lt(auditEvents.id, before) : undefined,
      ),
    )
    .orderBy(desc(auditEvents.id))
    .limit(limit + 1);
  const devices = new Map<string, Device>();
  for (const [owner, own] of Map.groupBy(rows, (row) => row.userId)) {
    const opened = await openDevices(
      ctx,
      owner,
      own.map(({ deviceSealed }) => deviceSealed),
    );
    for (const [at, { id }] of own.entries()) devices.set(id, opened[at]!);
  }
  return toPage(
    "activity",
    rows.map((row) => ({ ...row, ...devices.get(row.id)! })),
    limit,
    ({ id }) => id,
    present,
  );
}

export const listOwnActivity = (ctx: AsUser, page: Page) => list(ctx, ctx.actor.id, page);

export const listActivity = (
  ctx: AsOperator,
  { userId, limit = 1_000, cursor }: { userId?: string; limit?: number; cursor?: string },
) => list(ctx, userId, { limit, cursor });

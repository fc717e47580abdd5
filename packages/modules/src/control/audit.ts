// What was changed, by whom and why; what the whole state was at any instant; and whether anyone has touched the record.

import { type ControlEvent, settingsAt } from "@signalbox/control/fold";
import { isDatabaseAway } from "@signalbox/db";
import type { z } from "zod";
import type { AsOperator } from "../ctx.ts";
import { openRevision, sealKey } from "./list.ts";
import { type ControlPlane, planeOf } from "./plane.ts";
import type { AuditEvent, AuditQuery, AuditVerdict } from "./schema.ts";

const present = ({
  revision,
  id,
  at,
  actor,
  kind,
  key,
  before,
  after,
  ...rest
}: ControlEvent): AuditEvent => {
  const { reason, expiresAt, requestId, previousHash, hash } = rest;
  return {
    ...{ revision, id, actor, kind, key, reason, requestId, previousHash, hash },
    before: before ?? null,
    after: after ?? null,
    at: at.toISOString(),
    expiresAt: expiresAt?.toISOString() ?? null,
  };
};

export async function presentEvents(
  { controlLog }: ControlPlane,
  { limit, cursor }: { limit?: number; cursor?: string },
  where: { key?: string; actor?: string; kind?: string; until?: Date },
) {
  const from = openRevision(cursor);
  const events = await controlLog.read({
    ...where,
    ...(from === undefined ? {} : { before: from + 1 }),
    ...(limit === undefined ? {} : { limit: limit + 1 }),
  });
  const next = limit === undefined ? undefined : events[limit];
  return {
    items: events.slice(0, limit).map(present),
    nextCursor: next === undefined ? null : sealKey(String(next.revision)),
  };
}

export async function listAudit(ctx: AsOperator, input: z.infer<typeof AuditQuery>) {
  try {
    return await readAudit(ctx, input);
  } catch (error) {
    const pending = ctx.live.pending().map(present).reverse();
    if (pending.length === 0 || !isDatabaseAway(error)) throw error;
    return { items: pending, nextCursor: null, state: null, partial: true };
  }
}

async function readAudit(ctx: AsOperator, input: z.infer<typeof AuditQuery>) {
  const plane = planeOf(ctx);
  const at = input.at === undefined ? undefined : new Date(input.at);
  const [page, folded] = await Promise.all([
    presentEvents(plane, input, { key: input.key, actor: input.actor, kind: input.kind, until: at }),
    at && plane.controlLog.foldAt(at),
  ]);
  if (!folded || !at) return { ...page, state: null };
  const settings = settingsAt(folded.document, at.getTime());
  return { ...page, state: { at: at.toISOString(), revision: folded.head.revision, settings } };
}

/** Against itself, and against the heads that this and every other process enforce. */
export async function verifyAudit(ctx: AsOperator): Promise<z.infer<typeof AuditVerdict>> {
  const { controlLog, live, confirmations } = planeOf(ctx);
  const words = [...((await confirmations.ledger())?.values() ?? [])];
  const heads = words.map(({ revision, pending, head }) => ({ revision: revision - pending, hash: head }));
  return controlLog.verify([...heads, live.status().logged]);
}

// What was changed, by whom and why; what the whole state was at any instant; and whether anyone has touched the record.

import { type ControlEvent, settingsAt } from "@signalbox/control/fold";
import type { z } from "zod";
import type { AsOperator } from "../ctx.ts";
import { openRevision, sealKey } from "./list.ts";
import { type ControlPlane, planeOf } from "./plane.ts";
import type { AuditEvent, AuditQuery, AuditVerdict } from "./schema.ts";

const present = (event: ControlEvent): AuditEvent => ({
  ...event,
  before: event.before ?? null,
  after: event.after ?? null,
  at: event.at.toISOString(),
  expiresAt: event.expiresAt?.toISOString() ?? null,
});

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
  const { revision, head } = live.status();
  const heads = words.map((word) => ({ revision: word.revision, hash: word.head }));
  return controlLog.verify([...heads, { revision, hash: head }]);
}

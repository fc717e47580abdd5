// What was changed, by whom and why; what the whole state was at any instant; and whether anyone has touched the record.

import { type ControlEvent, settingsAt } from "@signalbox/control/fold";
import type { z } from "zod";
import type { AsOperator } from "../ctx.ts";
import { sealCursor } from "../page.ts";
import { knownAlias, usersBehind } from "../vault.ts";
import { openRevision } from "./list.ts";
import { orAway } from "./or-away.ts";
import { planeOf } from "./plane.ts";
import type { AuditEvent, AuditQuery, AuditVerdict } from "./schema.ts";

const present = (
  { revision, id, at, actor, kind, key, before, after, ...rest }: ControlEvent,
  users?: Map<string, string>,
): AuditEvent => {
  const { reason, incident, expiresAt, requestId, previousHash, hash } = rest;
  return {
    ...{ revision, id, actor, kind, key, reason, incident, requestId, previousHash, hash },
    before: before ?? null,
    after: after ?? null,
    at: at.toISOString(),
    expiresAt: expiresAt?.toISOString() ?? null,
    userId: users?.get(key) ?? null,
  };
};

const idForm = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

export async function presentEvents(
  ctx: AsOperator,
  { limit, cursor }: { limit?: number; cursor?: string },
  where: { key?: string; actor?: string; incident?: string; kind?: string; until?: Date },
): Promise<{ items: AuditEvent[]; nextCursor: string | null }> {
  const from = openRevision("audit", cursor);
  // Whoever asks for a user's acts has that user's id; the log has an alias, which goes when the user does.
  const alias = where.key !== undefined && idForm.test(where.key) && (await knownAlias(ctx, where.key));
  const events = await planeOf(ctx).controlLog.read({
    ...where,
    ...(alias ? { key: alias } : {}),
    ...(from === undefined ? {} : { before: from + 1 }),
    ...(limit === undefined ? {} : { limit: limit + 1 }),
  });
  const next = limit === undefined ? undefined : events[limit];
  const items = events.slice(0, limit);
  const aliases = items.flatMap(({ key }) => (idForm.test(key) ? [key] : []));
  const users = aliases.length === 0 ? undefined : await usersBehind(ctx, aliases);
  return {
    items: items.map((event) => present(event, users)),
    nextCursor: next === undefined ? null : sealCursor("audit", String(next.revision)),
  };
}

export async function listAudit(ctx: AsOperator, input: z.infer<typeof AuditQuery>) {
  const pending = ctx.live.pending();
  if (pending.length === 0) return readAudit(ctx, input);
  const items = pending.map((event) => present(event)).reverse();
  return (
    (await orAway(() => readAudit(ctx, input))) ?? { items, nextCursor: null, state: null, partial: true }
  );
}

async function readAudit(ctx: AsOperator, input: z.infer<typeof AuditQuery>) {
  const plane = planeOf(ctx);
  const at = input.at === undefined ? undefined : new Date(input.at);
  const [page, folded] = await Promise.all([
    presentEvents(ctx, input, {
      key: input.key,
      actor: input.actor,
      incident: input.incident,
      kind: input.kind,
      until: at,
    }),
    at && plane.controlLog.foldAt(at),
  ]);
  if (!folded || !at) return { ...page, state: null };
  const settings = settingsAt(folded.document, at.getTime());
  return { ...page, state: { at: at.toISOString(), revision: folded.head.revision, settings } };
}

/** Against itself, against the heads that this and every other process enforce, and against those that were kept outside. */
export async function verifyAudit(ctx: AsOperator): Promise<z.infer<typeof AuditVerdict>> {
  const { controlLog, live, confirmations } = planeOf(ctx);
  const words = [...((await confirmations.ledger())?.values() ?? [])];
  const heads = words.map(({ revision, pending, head }) => ({ revision: revision - pending, hash: head }));
  // What was kept first counts: a process follows a log that was written anew, its file does not.
  return controlLog.verify([...heads, live.status().logged, ...(await live.heads())]);
}

// Who makes a change and why, as the log keeps it.

import type { AsOperator } from "../ctx.ts";

/** What an operator says with every act. */
export type Said = { reason: string; incident?: string };

export const whyOf = (ctx: AsOperator, input: Said & { expiresAt?: string | null }) => ({
  actor: { kind: "operator", id: ctx.actor.id, name: ctx.actor.name },
  reason: input.reason,
  incident: input.incident ?? null,
  requestId: ctx.requestId,
  expiresAt: input.expiresAt ? new Date(input.expiresAt) : null,
});

// Who makes a change and why, as the log keeps it.

import type { AsOperator } from "../ctx.ts";

export const whyOf = (ctx: AsOperator, input: { reason: string; expiresAt?: string | null }) => ({
  actor: { kind: "operator", id: ctx.actor.id, name: ctx.actor.name },
  reason: input.reason,
  requestId: ctx.requestId,
  expiresAt: input.expiresAt ? new Date(input.expiresAt) : null,
});

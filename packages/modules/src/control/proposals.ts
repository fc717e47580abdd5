// Changes that wait for a second operator.

import { approve, propose, reject } from "@signalbox/control/approvals";
import { newId } from "@signalbox/core/ids";
import type { z } from "zod";
import type { AsOperator } from "../ctx.ts";
import { pageByKey } from "./list.ts";
import { confirmed, planeOf } from "./plane.ts";
import { checkPosition } from "./position.ts";
import type {
  Approve,
  Changed,
  OneProposal,
  OperatorPage,
  ProposalItem,
  Propose,
  Proposed,
} from "./schema.ts";
import { requireKey } from "./switches.ts";
import { whyOf } from "./why.ts";

export function listProposals(ctx: AsOperator, page: z.infer<typeof OperatorPage>) {
  const items = Object.entries(ctx.live.current().proposals).map(
    ([id, { key, change, expires, hash, reason, expiresAt, changedBy, changedAt }]): ProposalItem => ({
      ...{ id, key, change, expires, hash, reason, expiresAt },
      proposedBy: changedBy,
      proposedAt: changedAt,
    }),
  );
  return pageByKey(
    "proposals",
    items.sort((a, b) => (a.id < b.id ? -1 : 1)),
    page,
    ({ id }) => id,
  );
}

export async function makeProposal(
  ctx: AsOperator,
  { key, change, expires = null, reason, incident }: z.infer<typeof Propose>,
): Promise<z.infer<typeof Proposed>> {
  const plane = planeOf(ctx);
  requireKey(plane, key);
  if (change) checkPosition(key, change);
  const id = newId();
  const done = await propose(plane, id, { key, change, expires }, whyOf(ctx, { reason, incident }));
  return { id, hash: (done.event.after as { hash: string }).hash, version: done.revision };
}

export async function approveProposal(
  ctx: AsOperator,
  { id, hash, reason, incident }: z.infer<typeof Approve>,
): Promise<Changed> {
  const plane = planeOf(ctx);
  return confirmed(plane, await approve(plane, id, hash, whyOf(ctx, { reason, incident })));
}

export async function rejectProposal(
  ctx: AsOperator,
  { id, reason, incident }: z.infer<typeof OneProposal>,
): Promise<Changed> {
  const plane = planeOf(ctx);
  return confirmed(plane, await reject(plane, id, whyOf(ctx, { reason, incident })));
}

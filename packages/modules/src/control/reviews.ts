// Broken glass: who went past the second operator, why, and until when somebody else has to look at it.

import { closeReview } from "@signalbox/control/approvals";
import type { z } from "zod";
import type { AsOperator } from "../ctx.ts";
import { pageByKey } from "./list.ts";
import { confirmed, planeOf } from "./plane.ts";
import type { Changed, CloseReview, OperatorPage, ReviewItem } from "./schema.ts";
import { whyOf } from "./why.ts";

export function listReviews(ctx: AsOperator, page: z.infer<typeof OperatorPage>) {
  const nowMs = ctx.now().getTime();
  const items = Object.entries(ctx.live.current().reviews).map(
    ([revision, { key, dueAt, reason, changedBy, changedAt }]): ReviewItem => ({
      ...{ revision, key, dueAt, reason },
      isDue: Date.parse(dueAt) <= nowMs,
      brokenBy: changedBy,
      brokenAt: changedAt,
    }),
  );
  return pageByKey(
    "reviews",
    items.sort((a, b) => Number(a.revision) - Number(b.revision)),
    page,
    ({ revision }) => revision,
  );
}

export async function closeOneReview(
  ctx: AsOperator,
  { revision, verdict, reason, incident }: z.infer<typeof CloseReview>,
): Promise<Changed> {
  const plane = planeOf(ctx);
  return confirmed(plane, await closeReview(plane, revision, verdict, whyOf(ctx, { reason, incident })));
}

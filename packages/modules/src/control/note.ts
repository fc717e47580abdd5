// Keeps an operator's act in the log where it changes no setting.

import type { AsOperator } from "../ctx.ts";
import { planeOf } from "./plane.ts";
import { type Said, whyOf } from "./why.ts";

export async function noteAct(
  ctx: AsOperator,
  kind: string,
  key: string,
  { reason, incident }: Said,
  { before = null, after = null }: { before?: unknown; after?: unknown } = {},
): Promise<void> {
  await planeOf(ctx).controlLog.append({
    ...whyOf(ctx, { reason, incident }),
    kind,
    key,
    decide: () => ({ before, after }),
  });
}

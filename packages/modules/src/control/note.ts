// Keeps an operator's act in the log where it changes no setting.

import type { AsOperator } from "../ctx.ts";
import { planeOf } from "./plane.ts";
import { whyOf } from "./why.ts";

export async function noteAct(
  ctx: AsOperator,
  kind: string,
  key: string,
  reason: string,
  { before = null, after = null }: { before?: unknown; after?: unknown } = {},
): Promise<void> {
  await planeOf(ctx).controlLog.append({
    ...whyOf(ctx, { reason }),
    kind,
    key,
    decide: () => ({ before, after }),
  });
}

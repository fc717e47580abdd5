// The settings as files for git, and back.

import { bringIn, toFiles } from "@signalbox/control/files";
import type { z } from "zod";
import type { AsOperator } from "../ctx.ts";
import { confirmed, planeOf } from "./plane.ts";
import { checkPosition } from "./position.ts";
import type { BringInFiles, BroughtIn, SettingsFiles } from "./schema.ts";
import { whyOf } from "./why.ts";

export async function readFiles(ctx: AsOperator): Promise<z.infer<typeof SettingsFiles>> {
  const { head, document } = await planeOf(ctx).controlLog.fold();
  return { revision: head.revision, files: toFiles(document, ctx.now().getTime()) };
}

export async function bringInFiles(
  ctx: AsOperator,
  { reason, incident, ...input }: z.infer<typeof BringInFiles>,
): Promise<z.infer<typeof BroughtIn>> {
  const plane = planeOf(ctx);
  const done = await bringIn(plane, { ...input, check: checkPosition }, whyOf(ctx, { reason, incident }));
  return { ...(await confirmed(plane, done)), changes: done.changes };
}

// Posts that were taken while the database was away: what became of them, for whoever wrote them.

import { AppError } from "@signalbox/core/errors";
import type { z } from "zod";
import type { AsUser } from "../ctx.ts";
import { readElsewhere } from "../writes/write-queue.ts";
import type { FeedItem, WriteState } from "./schema.ts";

export async function readWrite(ctx: AsUser, id: string): Promise<z.infer<typeof WriteState>> {
  const { writes, redis, actor } = ctx;
  const state = await (writes ? writes.read(actor.id, id) : readElsewhere(redis, actor.id, id));
  if (!state) throw new AppError("not_found", "there is no write of yours under this id");
  const { status, result, problem } = state;
  return {
    id,
    status,
    ...(result === undefined ? {} : { result: result as FeedItem }),
    ...(problem ? { problem } : {}),
  };
}

// How far every consumer of the bus is, and what holds it up.

import { readLag } from "@signalbox/core/bus/lag";
import { countDeadLetters } from "@signalbox/db/dead-letters";
import type { z } from "zod";
import { pageByKey } from "../control/list.ts";
import type { OperatorPage } from "../control/schema.ts";
import type { AsOperator } from "../ctx.ts";
import { jobs } from "../index.ts";
import { groupsOf } from "../run-jobs.ts";
import type { QueueItem } from "./schema.ts";

export async function listQueues(ctx: AsOperator, page: z.infer<typeof OperatorPage>) {
  const rules = ctx.live.rules();
  const nowMs = ctx.now().getTime();
  const letters = await countDeadLetters(ctx.sql);
  const items = await Promise.all(
    [...groupsOf(jobs)].map(async ([key, ofModule]): Promise<QueueItem> => {
      const lag = await depthOf(ctx, key);
      return {
        key,
        kind: "consumer",
        jobs: [...new Set(ofModule.map(({ name }) => name))].sort(),
        state: rules.decides(key, nowMs) ? "off" : "on",
        ...lag,
        deadLetters: letters.get(key)?.dead ?? 0,
        parked: letters.get(key)?.waiting ?? 0,
      };
    }),
  );
  items.sort((a, b) => (a.key < b.key ? -1 : 1));
  return pageByKey(items, page, ({ key }) => key);
}

async function depthOf(ctx: AsOperator, group: string) {
  if (ctx.redis.status !== "ready") return { depth: null, oldestMs: null };
  try {
    const lag = await readLag(ctx.redis, group);
    return {
      depth: lag.reduce((sum, { events }) => sum + events, 0),
      oldestMs: Math.max(0, ...lag.map(({ oldestMs }) => oldestMs)),
    };
  } catch (error) {
    ctx.log.debug({ error, group }, "the depth of a queue could not be read");
    return { depth: null, oldestMs: null };
  }
}

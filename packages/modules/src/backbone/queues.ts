// How far every consumer of the bus is, and what holds it up.

import { consumerPrefix } from "@signalbox/control/settings";
import { readLag } from "@signalbox/core/bus/lag";
import { AppError } from "@signalbox/core/errors";
import type { QueueDefinition } from "@signalbox/core/queue/definition";
import { countDeadLetters } from "@signalbox/db/dead-letters";
import type { z } from "zod";
import { pageByKey } from "../control/list.ts";
import { noteAct } from "../control/note.ts";
import type { OperatorPage } from "../control/schema.ts";
import type { AsOperator } from "../ctx.ts";
import { jobs, work } from "../index.ts";
import { groupsOf } from "../run-jobs.ts";
import type { ForQueue, QueueItem, ReplayAsked } from "./schema.ts";

export async function listQueues(ctx: AsOperator, page: z.infer<typeof OperatorPage>) {
  const rules = ctx.live.rules();
  const nowMs = ctx.now().getTime();
  const letters = await countDeadLetters(ctx.sql);
  const items = await Promise.all(
    [...groupsOf(jobs)].map(async ([key, ofModule]): Promise<QueueItem> => {
      const lag = await depthOf(ctx, key);
      return {
        key,
        switchKey: consumerPrefix + key,
        kind: "consumer",
        jobs: [...new Set(ofModule.map(({ name }) => name))].sort(),
        state: rules.offForAll(consumerPrefix + key, nowMs) || rules.decides(key, nowMs) ? "off" : "on",
        ...lag,
        active: null,
        delayed: null,
        failed: null,
        took: null,
        deadLetters: letters.get(key)?.dead ?? 0,
        parked: letters.get(key)?.waiting ?? 0,
      };
    }),
  );
  for (const { queue } of work)
    items.push({
      key: queue.name,
      switchKey: queue.name,
      kind: "work",
      jobs: [queue.name],
      state: rules.decides(queue.name, nowMs) ? "off" : "on",
      ...(await stateOf(ctx, queue)),
      deadLetters: 0,
      parked: 0,
    });
  items.sort((a, b) => (a.key < b.key ? -1 : 1));
  return pageByKey("queues", items, page, ({ key }) => key);
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

const unknown = { depth: null, oldestMs: null, active: null, delayed: null, failed: null, took: null };

async function stateOf(ctx: AsOperator, queue: QueueDefinition<never>) {
  if (ctx.redis.status !== "ready") return unknown;
  try {
    const { ready, oldestMs, active, delayed, failed, took } = await ctx.queues.depth(queue);
    return { depth: ready, oldestMs, active, delayed, failed, took };
  } catch (error) {
    ctx.log.debug({ error, queue: queue.name }, "the depth of a queue could not be read");
    return unknown;
  }
}

export function requireConsumer(key: string): void {
  const names = [...groupsOf(jobs).keys()];
  if (!names.includes(key))
    throw new AppError(
      "not_found",
      `there is no consumer called ${key}; there are: ${names.sort().join(", ")}`,
    );
}

/** What was given up is tried anew. */
export async function retryQueue(
  ctx: AsOperator,
  { key, ...why }: z.infer<typeof ForQueue>,
): Promise<z.infer<typeof ReplayAsked>> {
  const found = work.find(({ queue }) => queue.name === key);
  if (!found)
    throw new AppError(
      "not_found",
      `there is no queue of work called ${key}; there are: ${work.map(({ queue }) => queue.name).join(", ")}`,
    );
  await noteAct(ctx, "queue.retried", key, why);
  return { asked: await ctx.queues.retry(found.queue) };
}

// How long each kind of data is kept. What goes by age is taken away here; what goes with its user, by the erasure.

import { z } from "zod";
import { canaryCounts } from "../canaries/expire.ts";
import type { Expirer } from "../holding.ts";
import { defineWork } from "../work.ts";
import { holdings } from "./holdings.ts";

const keepers = [...holdings, canaryCounts];

/** The whole list, for people: module, kind, how long. */
export const retention = () =>
  keepers.flatMap(({ name, kept }) =>
    Object.entries(kept).map(([kind, keptFor]) => ({ name, kind, keptFor })),
  );

export const work = [
  defineWork(
    { name: "personal.retention.expire", schema: z.object({}), attempts: 3, concurrency: 1, keptDone: 10 },
    async (ctx) => {
      const gone = await expireOld(ctx);
      if (Object.keys(gone).length > 0) ctx.log.info({ gone }, "what was kept long enough is gone");
    },
    { everyMs: 600_000, data: {} },
  ),
];

/** What is older than it may be goes now; answers what went. */
export async function expireOld(ctx: Expirer): Promise<Record<string, number>> {
  const gone: Record<string, number> = {};
  for (const { name, expire = [] } of keepers)
    for (const step of expire) {
      const count = await step.run(ctx);
      if (count > 0) gone[`${name}.${step.name}`] = count;
    }
  return gone;
}

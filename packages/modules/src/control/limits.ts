// How often callers may call, by name of what they call.

import { setLimit } from "@signalbox/control/changes";
import { defaultLimits, holding, type LimitLayer } from "@signalbox/control/settings";
import type { z } from "zod";
import type { AsOperator } from "../ctx.ts";
import { pageByKey } from "./list.ts";
import { planeOf } from "./plane.ts";
import type { Changed, LimitItem, OperatorPage, SetLimit } from "./schema.ts";
import { requireKey } from "./switches.ts";
import { whyOf } from "./why.ts";

export function listLimits(ctx: AsOperator, page: z.infer<typeof OperatorPage>) {
  const { limits } = ctx.live.current();
  const nowMs = ctx.now().getTime();
  const items = Object.entries(limits).flatMap(([key, setting]): LimitItem[] => {
    const layer = holding<LimitLayer>(setting, nowMs);
    if (layer === undefined) return [];
    const { rate, burst, perSeconds, by, reason, expiresAt, revision, changedAt, changedBy } = layer;
    const isDefault = revision === 0 && Object.hasOwn(defaultLimits, key);
    return [
      { key, rate, burst, perSeconds, by, isDefault, reason, expiresAt, revision, changedAt, changedBy },
    ];
  });
  items.sort((a, b) => (a.key < b.key ? -1 : 1));
  return pageByKey(items, page, ({ key }) => key);
}

export async function changeLimit(ctx: AsOperator, input: SetLimit): Promise<Changed> {
  const plane = planeOf(ctx);
  const { key, rate, burst } = input;
  requireKey(plane, key);
  const done = await setLimit(plane, key, { rate, burst }, whyOf(ctx, input));
  return {
    version: done.revision,
    confirmations: await plane.confirmations.waitFor(done.revision, done.committedAt),
  };
}

// How much a call takes out of its caller's limits, where that is not 1.

import { resetWeight, setWeight } from "@signalbox/control/changes";
import { holding, type WeightLayer } from "@signalbox/control/settings";
import type { z } from "zod";
import type { AsOperator } from "../ctx.ts";
import { appRouter } from "../index.ts";
import type { Meta } from "../trpc.ts";
import { pageByKey } from "./list.ts";
import { confirmed, planeOf } from "./plane.ts";
import type { Changed, OperatorPage, ResetLimit, SetWeight, WeightItem } from "./schema.ts";
import { requireKey } from "./switches.ts";
import { whyOf } from "./why.ts";

const procedures = () =>
  Object.entries(appRouter._def.procedures as unknown as Record<string, { _def: { meta?: Meta } }>);

const presetOf = (key: string): number | null => {
  const found = procedures().find(([name]) => name === key);
  return found ? (found[1]._def.meta?.weight ?? 1) : null;
};

/** What was set, and the procedures that say themselves that they are dearer than others. */
export function listWeights(ctx: AsOperator, page: z.infer<typeof OperatorPage>) {
  const nowMs = ctx.now().getTime();
  const set = Object.entries(ctx.live.current().weights).flatMap(([key, setting]): WeightItem[] => {
    const layer = holding<WeightLayer>(setting, nowMs);
    if (layer === undefined) return [];
    const { weight, reason, expiresAt, revision, changedAt, changedBy } = layer;
    const preset = presetOf(key);
    return [{ key, weight, preset, isDefault: false, reason, expiresAt, revision, changedAt, changedBy }];
  });
  const own = procedures().flatMap(([key, { _def }]): WeightItem[] => {
    const weight = _def.meta?.weight;
    if (weight === undefined || set.some((item) => item.key === key)) return [];
    const never = { reason: "", expiresAt: null, revision: 0, changedAt: null, changedBy: null };
    return [{ key, weight, preset: weight, isDefault: true, ...never }];
  });
  const items = [...set, ...own].sort((a, b) => (a.key < b.key ? -1 : 1));
  return pageByKey("weights", items, page, ({ key }) => key);
}

export async function changeWeight(ctx: AsOperator, input: SetWeight): Promise<Changed> {
  const plane = planeOf(ctx);
  requireKey(plane, input.key);
  return confirmed(plane, await setWeight(plane, input.key, input.weight, whyOf(ctx, input)));
}

export async function revertWeight(ctx: AsOperator, input: z.infer<typeof ResetLimit>): Promise<Changed> {
  const plane = planeOf(ctx);
  requireKey(plane, input.key);
  return confirmed(plane, await resetWeight(plane, input.key, whyOf(ctx, input)));
}

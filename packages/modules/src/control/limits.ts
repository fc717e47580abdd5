// How often callers may call, by name of what they call.

import { resetLimit, setLimit } from "@signalbox/control/changes";
import { holding, type LimitLayer, presetLimit } from "@signalbox/control/settings";
import type { z } from "zod";
import type { AsOperator } from "../ctx.ts";
import { pageByKey } from "./list.ts";
import { confirmed, planeOf } from "./plane.ts";
import type { Changed, LimitItem, OperatorPage, ResetLimit, SetLimit } from "./schema.ts";
import { requireKey } from "./switches.ts";
import { whyOf } from "./why.ts";

export function listLimits(ctx: AsOperator, page: z.infer<typeof OperatorPage>) {
  const { limits } = ctx.live.current();
  const nowMs = ctx.now().getTime();
  const items = Object.entries(limits).flatMap(([key, setting]): LimitItem[] => {
    const layer = holding<LimitLayer>(setting, nowMs);
    if (layer === undefined) return [];
    const { rate, burst, perSeconds, by, algorithm, alonePercent } = layer;
    const { reason, expiresAt, revision, changedAt, changedBy } = layer;
    const preset = presetOf(key);
    const isDefault = revision === 0 && preset !== null;
    return [
      {
        key,
        rate,
        burst,
        perSeconds,
        by,
        algorithm,
        alonePercent,
        isDefault,
        preset,
        reason,
        expiresAt,
        revision,
        changedAt,
        changedBy,
      },
    ];
  });
  items.sort((a, b) => (a.key < b.key ? -1 : 1));
  return pageByKey("limits", items, page, ({ key }) => key);
}

function presetOf(key: string): LimitItem["preset"] {
  const preset = presetLimit(key);
  return preset ? { rate: preset.rate, burst: preset.burst } : null;
}

export async function changeLimit(ctx: AsOperator, input: SetLimit): Promise<Changed> {
  const plane = planeOf(ctx);
  const { key, rate, burst, perSeconds, by, algorithm, alonePercent } = input;
  requireKey(plane, key);
  const to = { rate, burst, perSeconds, by, algorithm, alonePercent };
  return confirmed(plane, await setLimit(plane, key, to, whyOf(ctx, input)));
}

export async function revertLimit(ctx: AsOperator, input: z.infer<typeof ResetLimit>): Promise<Changed> {
  const plane = planeOf(ctx);
  requireKey(plane, input.key);
  return confirmed(plane, await resetLimit(plane, input.key, whyOf(ctx, input)));
}

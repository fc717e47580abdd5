// When no canary may begin or take a step.

import { removeFreeze, setFreeze } from "@signalbox/control/canary/acts";
import { frozenBy } from "@signalbox/control/canary/rules";
import { type FreezeLayer, holding } from "@signalbox/control/settings";
import { isTimeZone } from "@signalbox/control/wall-clock";
import { AppError } from "@signalbox/core/errors";
import type { z } from "zod";
import { pageByKey } from "../control/list.ts";
import { confirmed, planeOf } from "../control/plane.ts";
import type { Changed, OperatorPage } from "../control/schema.ts";
import { whyOf } from "../control/why.ts";
import type { AsOperator } from "../ctx.ts";
import type { FreezeItem, RemoveFreeze, SetFreeze } from "./schema.ts";

export function listFreezes(ctx: AsOperator, page: z.infer<typeof OperatorPage>) {
  const nowMs = ctx.now().getTime();
  const items = Object.entries(ctx.live.current().freezes)
    .flatMap(([key, setting]): FreezeItem[] => {
      const layer = holding<FreezeLayer>(setting, nowMs);
      if (layer === undefined) return [];
      const { from, until, weekly, reason, revision, changedAt, changedBy } = layer;
      const holds = frozenBy({ [key]: setting }, nowMs).length > 0;
      return [{ key, from, until, weekly, holds, reason, revision, changedAt, changedBy }];
    })
    .sort((a, b) => (a.key < b.key ? -1 : 1));
  return pageByKey("freezes", items, page, ({ key }) => key);
}

export async function changeFreeze(
  ctx: AsOperator,
  input: z.output<typeof SetFreeze>,
): Promise<z.output<typeof Changed>> {
  const { key, from = null, until = null, weekly = null } = input;
  if (weekly && !isTimeZone(weekly.timeZone)) {
    const message = `there is no time zone ${weekly.timeZone}; one is called Europe/Berlin`;
    throw new AppError("invalid", message, { errors: [{ field: "weekly.timeZone", message }] });
  }
  const plane = planeOf(ctx);
  return confirmed(plane, await setFreeze(plane, key, { from, until, weekly }, whyOf(ctx, input)));
}

export async function takeFreeze(
  ctx: AsOperator,
  input: z.output<typeof RemoveFreeze>,
): Promise<z.output<typeof Changed>> {
  const plane = planeOf(ctx);
  return confirmed(plane, await removeFreeze(plane, input.key, whyOf(ctx, input)));
}

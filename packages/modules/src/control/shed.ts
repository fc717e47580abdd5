// How much each service takes at once: what is set, and how full each process is.

import { resetShed, setShed } from "@signalbox/control/changes";
import { holding, type ShedLayer, shedValues } from "@signalbox/control/settings";
import { AppError } from "@signalbox/core/errors";
import type { z } from "zod";
import type { AsOperator } from "../ctx.ts";
import { catalogue } from "../index.ts";
import { pageByKey } from "./list.ts";
import { confirmed, planeOf } from "./plane.ts";
import type { Changed, OperatorPage, ResetShed, SetShed, ShedItem } from "./schema.ts";
import { readParts } from "./sight.ts";
import { whyOf } from "./why.ts";

/** `*` first, then every service: what has procedures that callers reach. */
const keys = () => ["*", ...catalogue().services];

export async function listShed(ctx: AsOperator, page: z.infer<typeof OperatorPage>) {
  const nowMs = ctx.now().getTime();
  const { shed } = ctx.live.current();
  const instances = await readParts(ctx);
  const items = keys().map((key): ShedItem => {
    const layer = shed[key] && holding<ShedLayer>(shed[key], nowMs);
    return {
      key,
      values: ctx.live.rules().shedOf(key, nowMs),
      set: layer ? shedValues.parse(layer) : {},
      reason: layer?.reason ?? "",
      expiresAt: layer?.expiresAt ?? null,
      revision: layer?.revision ?? 0,
      changedAt: layer?.changedAt ?? null,
      changedBy: layer?.changedBy ?? null,
      instances: instances.flatMap(({ instance, name, parts }) =>
        parts.lanes.filter(({ service }) => service === key).map((lane) => ({ ...lane, instance, name })),
      ),
    };
  });
  return pageByKey("shed", items, page, ({ key }) => key);
}

function requireService(key: string): void {
  if (!keys().includes(key))
    throw new AppError("not_found", `no service is called ${key}; the list is in GET /operator/v1/shed`);
}

export async function changeShed(ctx: AsOperator, input: z.infer<typeof SetShed>): Promise<Changed> {
  const plane = planeOf(ctx);
  const { key } = input;
  requireService(key);
  const given = shedValues.parse(input);
  const { minInFlight, maxInFlight } = { ...ctx.live.rules().shedOf(key, ctx.now().getTime()), ...given };
  if (minInFlight > maxInFlight) {
    const message = `must not be above maxInFlight, which would be ${maxInFlight}`;
    throw new AppError("invalid", `minInFlight: ${message}`, { errors: [{ field: "minInFlight", message }] });
  }
  return confirmed(plane, await setShed(plane, key, given, whyOf(ctx, input)));
}

export async function revertShed(ctx: AsOperator, input: z.infer<typeof ResetShed>): Promise<Changed> {
  const plane = planeOf(ctx);
  requireService(input.key);
  return confirmed(plane, await resetShed(plane, input.key, whyOf(ctx, input)));
}

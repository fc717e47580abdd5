// Where instances run, and how much of a zone's traffic stays there.

import { setZone } from "@signalbox/control/changes";
import { holding, type ZoneLayer } from "@signalbox/control/settings";
import type { z } from "zod";
import type { AsOperator } from "../ctx.ts";
import { pageByKey } from "./list.ts";
import { confirmed, planeOf } from "./plane.ts";
import type { Changed, OperatorPage, SetZone, ZoneItem } from "./schema.ts";
import { whyOf } from "./why.ts";

const never = {
  weight: 100,
  reason: "",
  expiresAt: null,
  revision: 0,
  changedAt: null,
  changedBy: null,
} as const;

/** Those that a live instance names, and those on which something is set. */
export function listZones(ctx: AsOperator, page: z.infer<typeof OperatorPage>) {
  const { zones } = ctx.live.current();
  const seen = ctx.registry.lastKnown();
  const nowMs = ctx.now().getTime();
  const names = new Set([...Object.keys(zones), ...seen.map(({ zone }) => zone)]);
  const items = [...names].sort().map((key): ZoneItem => {
    const setting = zones[key];
    const { weight, reason, expiresAt, revision, changedAt, changedBy } =
      (setting && holding<ZoneLayer>(setting, nowMs)) ?? never;
    const instances = seen.filter(({ zone, services }) => zone === key && services.length > 0).length;
    return { key, weight, instances, reason, expiresAt, revision, changedAt, changedBy };
  });
  return pageByKey("zones", items, page, ({ key }) => key);
}

export async function changeZone(ctx: AsOperator, input: SetZone): Promise<Changed> {
  const plane = planeOf(ctx);
  return confirmed(plane, await setZone(plane, input.key, input.weight, whyOf(ctx, input)));
}

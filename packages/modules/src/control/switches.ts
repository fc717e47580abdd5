// Switching things off and on, and proving that it took.

import { setSwitch } from "@signalbox/control/changes";
import { unknownKey } from "@signalbox/control/log";
import { holding, type SwitchLayer } from "@signalbox/control/settings";
import type { z } from "zod";
import type { AsOperator } from "../ctx.ts";
import { presentEvents } from "./audit.ts";
import { catalogue, type Kind } from "./catalogue.ts";
import { pageByKey } from "./list.ts";
import { type ControlPlane, confirmed, planeOf } from "./plane.ts";
import type { Changed, History, OperatorPage, SetSwitch, SwitchItem } from "./schema.ts";
import { whyOf } from "./why.ts";

export function listSwitches(ctx: AsOperator, page: z.infer<typeof OperatorPage>) {
  const { live } = ctx;
  const { switches } = live.current();
  const kinds = catalogue();
  // A key whose procedure is gone stays visible as long as something is set on it.
  const keys = [...new Set([...kinds.keys(), ...Object.keys(switches)])];
  const nowMs = ctx.now().getTime();
  return pageByKey(
    keys.map((key) => present(live, key, kinds.get(key), nowMs)),
    page,
    ({ key }) => key,
  );
}

function present(live: ControlPlane["live"], key: string, kind: Kind | undefined, nowMs: number): SwitchItem {
  const setting = live.current().switches[key];
  const layer = setting && holding<SwitchLayer>(setting, nowMs);
  const decided = live.rules().decides(key, nowMs);
  return {
    key,
    kind: kind ?? (key === "*" ? "all" : "prefix"),
    state: layer?.state ?? "on",
    share: layer?.share ?? 100,
    message: layer?.message ?? "",
    reason: layer?.reason ?? "",
    expiresAt: layer?.expiresAt ?? null,
    revision: layer?.revision ?? 0,
    changedAt: layer?.changedAt ?? null,
    changedBy: layer?.changedBy ?? null,
    effective: decided
      ? { state: "off", share: decided.layer.share, by: decided.key }
      : { state: "on", share: 100, by: null },
  };
}

export async function flipSwitch(ctx: AsOperator, input: SetSwitch): Promise<Changed> {
  const plane = planeOf(ctx);
  const { key, state, share, message } = input;
  requireKey(plane, key);
  return confirmed(plane, await setSwitch(plane, key, { state, share, message }, whyOf(ctx, input)));
}

export async function readHistory(ctx: AsOperator, input: z.infer<typeof History>) {
  const plane = planeOf(ctx);
  requireKey(plane, input.key);
  return presentEvents(ctx, input, { key: input.key });
}

export function requireKey({ live }: ControlPlane, key: string): void {
  const { switches, limits } = live.current();
  if (!catalogue().has(key) && !Object.hasOwn(switches, key) && !Object.hasOwn(limits, key))
    throw unknownKey(key);
}

// Numbers by which modules decide: what they are, and changing them.

import { resetNumber, setNumber } from "@signalbox/control/changes";
import { holding, knownNumbers, type NumberKey, type NumberLayer } from "@signalbox/control/settings";
import { AppError } from "@signalbox/core/errors";
import type { z } from "zod";
import type { AsOperator } from "../ctx.ts";
import { pageByKey } from "./list.ts";
import { confirmed, planeOf } from "./plane.ts";
import type { Changed, NumberItem, OperatorPage, ResetNumber, SetNumber } from "./schema.ts";
import { whyOf } from "./why.ts";

export function listNumbers(ctx: AsOperator, page: z.infer<typeof OperatorPage>) {
  const nowMs = ctx.now().getTime();
  const { numbers } = ctx.live.current();
  const items = Object.entries(knownNumbers).map(([key, { preset, min, max, text }]): NumberItem => {
    const layer = numbers[key] && holding<NumberLayer>(numbers[key], nowMs);
    return {
      key,
      text,
      value: layer?.value ?? preset,
      preset,
      min,
      max,
      reason: layer?.reason ?? "",
      expiresAt: layer?.expiresAt ?? null,
      revision: layer?.revision ?? 0,
      changedAt: layer?.changedAt ?? null,
      changedBy: layer?.changedBy ?? null,
    };
  });
  return pageByKey("numbers", items, page, ({ key }) => key);
}

function requireNumber(key: string) {
  if (!Object.hasOwn(knownNumbers, key))
    throw new AppError("not_found", `no number is called ${key}; the list is in GET /operator/v1/numbers`);
  return knownNumbers[key as NumberKey];
}

export async function changeNumber(ctx: AsOperator, input: z.infer<typeof SetNumber>): Promise<Changed> {
  const plane = planeOf(ctx);
  const { key, value } = input;
  const { min, max } = requireNumber(key);
  if (value < min || value > max) {
    const message = `must be from ${min} to ${max}`;
    throw new AppError("invalid", `value: ${message}`, { errors: [{ field: "value", message }] });
  }
  return confirmed(plane, await setNumber(plane, key, value, whyOf(ctx, input)));
}

export async function revertNumber(ctx: AsOperator, input: z.infer<typeof ResetNumber>): Promise<Changed> {
  const plane = planeOf(ctx);
  requireNumber(input.key);
  return confirmed(plane, await resetNumber(plane, input.key, whyOf(ctx, input)));
}

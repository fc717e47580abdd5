// The parts that processes ask, how their breakers stand, and the operators' word on them.

import { forceDependency } from "@signalbox/control/changes";
import { type DependencyLayer, holding, partSwitch } from "@signalbox/control/settings";
import { AppError } from "@signalbox/core/errors";
import type { z } from "zod";
import type { AsOperator } from "../ctx.ts";
import { pageByKey } from "./list.ts";
import { confirmed, planeOf } from "./plane.ts";
import type { Changed, DependencyItem, ForceDependency, OperatorPage } from "./schema.ts";
import { readParts } from "./sight.ts";
import { whyOf } from "./why.ts";

const worst = { open: 2, "half-open": 1, closed: 0 } as const;

async function present(ctx: AsOperator): Promise<DependencyItem[]> {
  const { dependencies } = ctx.live.current();
  const rules = ctx.live.rules();
  const nowMs = ctx.now().getTime();
  const found = (await readParts(ctx)).flatMap(({ instance, name, parts }) =>
    parts.dependencies.map((part) => ({ ...part, instance, process: name })),
  );
  // What is forced stays visible where no process asks it any more.
  const names = [...new Set([...found.map(({ name }) => name), ...Object.keys(dependencies)])].sort();
  return names.map((name) => {
    const layer = dependencies[name] && holding<DependencyLayer>(dependencies[name], nowMs);
    const instances = found.filter((one) => one.name === name);
    const states = instances.map(({ state }) => state).sort((a, b) => worst[b] - worst[a]);
    const off = rules.decides(partSwitch(name), nowMs)?.layer;
    const {
      reason = "",
      expiresAt = null,
      revision = 0,
      changedAt = null,
      changedBy = null,
    } = off ?? layer ?? {};
    return {
      name,
      force: off ? "open" : (layer?.force ?? "auto"),
      switchKey: partSwitch(name),
      isSwitchedOff: off !== undefined,
      ...{ reason, expiresAt, revision, changedAt, changedBy },
      state: states[0] ?? "closed",
      instances,
    };
  });
}

export const listDependencies = async (ctx: AsOperator, page: z.infer<typeof OperatorPage>) =>
  pageByKey("dependencies", await present(ctx), page, ({ name }) => name);

export async function changeDependency(
  ctx: AsOperator,
  input: z.infer<typeof ForceDependency>,
): Promise<Changed> {
  const plane = planeOf(ctx);
  const { name, force } = input;
  if (!(await present(ctx)).some((known) => known.name === name))
    throw new AppError(
      "not_found",
      `no part is called ${name}; the list is in GET /operator/v1/dependencies`,
    );
  return confirmed(plane, await forceDependency(plane, name, force, whyOf(ctx, input)));
}

// What forbids more callers for a canary at this moment, besides freeze windows: an alert that pages, a part that is away, or a
// stable side that fails by itself, so that a comparison would say nothing.

import type { CanarySetting, CanaryTarget } from "@signalbox/control/settings";
import { readParts } from "../control/sight.ts";
import type { Deps } from "../ctx.ts";

const burning = { errorRate: 0.05, requests: 50 } as const;

export async function findInterlocks(
  deps: Deps,
  { target }: Pick<CanarySetting, "target">,
): Promise<string[]> {
  const [paging, parts, service] = await Promise.all([
    deps.alerts?.paging() ?? [],
    findOpenParts(deps),
    findBurningService(deps, target),
  ]);
  return [...paging.map((name) => `the alert ${name} pages`), ...parts, ...service];
}

async function findOpenParts(deps: Deps): Promise<string[]> {
  const open = (await readParts(deps)).flatMap(({ parts }) =>
    parts.dependencies.filter(({ state }) => state === "open").map(({ name }) => name),
  );
  return [...new Set(open)].map((name) => `${name} is away`);
}

async function findBurningService({ signals }: Deps, target: CanaryTarget): Promise<string[]> {
  const { items, partial } = await signals.readGolden({ window: "30s", by: "service" });
  if (partial) return ["Redis is away, so that nobody knows what burns"];
  const service = target.kind === "switch" ? target.key.split(".")[0] : target.service;
  const all = items.filter(({ key }) => key === service || service === "*");
  return all
    .filter(({ errorRate, requests }) => requests >= burning.requests && errorRate >= burning.errorRate)
    .map(({ key, errorRate }) => `${(errorRate * 100).toFixed(1)} % of all calls of ${key} fail`);
}

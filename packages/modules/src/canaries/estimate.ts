// What a canary would touch, and how long it would take: said before it starts, at the traffic of this moment.

import { findNobody } from "@signalbox/control/canary/controller";
import { checkLadder, checkSurroundings, saltOf } from "@signalbox/control/canary/rules";
import { errorOdds, smallestSeen } from "@signalbox/control/canary/sequential";
import type { CanaryStep, CanaryTarget, CanaryTriggers } from "@signalbox/control/settings";
import { orAway } from "../control/or-away.ts";
import type { Deps } from "../ctx.ts";
import { catalogue, jobs } from "../index.ts";
import { findInterlocks } from "./interlocks.ts";
import type { Estimate } from "./schema.ts";

/** Of a service that has made no error lately. */
const usualErrors = 0.001;
const busyWindow = "5m";

export async function estimate(
  deps: Deps,
  { target, steps, triggers }: { target: CanaryTarget; steps: CanaryStep[]; triggers: CanaryTriggers },
): Promise<Estimate> {
  const routes = routesOf(target);
  const [traffic, users, interlocked, seen] = await Promise.all([
    readTraffic(deps, target, routes),
    countUsers(deps),
    findInterlocks(deps, { target }).catch(() => ["whether an alert burns is not known"]),
    deps.registry.list(),
  ]);
  const rps = traffic?.rps ?? null;
  const errorRate = traffic?.errorRate ?? null;
  const told = steps.map((step) => estimateStep(step, { rps: rps ?? 0, errorRate, users, triggers }));
  const { canaries, freezes } = deps.live.current();
  // One of the same thing that was promoted makes way.
  const others = Object.fromEntries(
    Object.entries(canaries).filter(
      ([, each]) => each.state !== "promoted" || saltOf(each.target) !== saltOf(target),
    ),
  );
  const nowMs = deps.now().getTime();
  const nobody = findNobody({ target }, seen);
  const slow = told.find(({ minutesNeeded, weight }) => minutesNeeded === null && weight < 100);
  return {
    at: deps.now().toISOString(),
    routes,
    requestsPerSecond: rps,
    errorRate,
    users,
    steps: told,
    minutes: told.some(({ minutesNeeded }) => minutesNeeded === null)
      ? null
      : round(told.reduce((sum, { minutesNeeded }) => sum + minutesNeeded!, 0)),
    warnings: [
      ...(nobody === null ? [] : [nobody]),
      ...(traffic === undefined ? ["what goes on is not known, because Redis is away"] : []),
      ...(slow ? [`the step at ${slow.weight} % cannot end: nobody calls at this moment`] : []),
    ],
    broken: [
      ...checkLadder(steps),
      ...checkSurroundings(target, { canaries: others, freezes }, nowMs),
      ...interlocked.map((message) => ({ field: "", message })),
    ],
  };
}

/** Every procedure or job that takes part. */
function routesOf(target: CanaryTarget): string[] {
  const kinds =
    target.kind === "switch" ? ["procedure", "job"] : [target.kind === "release" ? "procedure" : "job"];
  const key = target.kind === "switch" ? target.key : target.service;
  return [...catalogue().kinds].flatMap(([name, kind]) =>
    kinds.includes(kind) && (key === "*" || name === key || name.startsWith(`${key}.`)) ? [name] : [],
  );
}

async function readTraffic(deps: Deps, target: CanaryTarget, routes: string[]) {
  if (target.kind === "worker") return readEvents(deps, routes);
  const { items, partial } = await deps.signals.readGolden({ window: busyWindow, by: "endpoint" });
  if (partial) return undefined;
  const touched = items.filter(({ key }) => routes.includes(key));
  const requests = touched.reduce((sum, item) => sum + item.requests - item.refused, 0);
  const errors = touched.reduce((sum, item) => sum + item.errors, 0);
  return {
    rps: round(
      touched.reduce((sum, item) => sum + (item.rps * (item.requests - item.refused)) / item.requests, 0),
    ),
    errorRate: requests === 0 ? null : errors / requests,
  };
}

/** What a module's jobs had to do lately. */
async function readEvents({ sql }: Deps, routes: string[]) {
  const topics = jobs.flatMap(({ name, event }) => (routes.includes(name) ? [event.name] : []));
  const [row] = await sql<{ events: number }[]>`
    select count(*)::int as events from outbox
    where topic = any(${topics}) and created_at > now() - interval '5 minutes'`;
  return { rps: round((row?.events ?? 0) / 300), errorRate: null };
}

async function countUsers({ sql }: Deps): Promise<number> {
  const counted = await orAway(
    async () => sql<{ users: number }[]>`select count(*)::int as users from users`,
  );
  return counted?.[0]?.users ?? 0;
}

function estimateStep(
  { weight, bakeSeconds }: CanaryStep,
  {
    rps,
    errorRate,
    users,
    triggers,
  }: { rps: number; errorRate: number | null; users: number; triggers: CanaryTriggers },
): Estimate["steps"][number] {
  const part = weight / 100;
  const own = rps * part;
  const slower = Math.min(own, rps - own);
  const needed = weight === 100 ? 0 : triggers.minRequests;
  const bakeMinutes = bakeSeconds / 60;
  const seconds = needed === 0 ? 0 : slower > 0 ? needed / slower : Number.POSITIVE_INFINITY;
  return {
    weight,
    bakeSeconds,
    requestsPerSecond: round(own),
    requestsNeeded: needed,
    minutesNeeded: Number.isFinite(seconds) ? round(Math.max(bakeMinutes, seconds / 60)) : null,
    users: Math.round(users * part),
    seesErrors: round(
      part >= 1
        ? 1
        : smallestSeen(Math.max(needed, own * bakeSeconds), {
            baseline: Math.max(errorRate ?? 0, usualErrors),
            part,
            odds: errorOdds,
            tolerated: triggers.errorTolerance,
            alpha: triggers.falseAlarm / 2,
          }),
    ),
  };
}

const round = (value: number): number => Number(value.toPrecision(4));

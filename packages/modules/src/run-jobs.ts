// Turns events into jobs: which module wants which topic, and what a job is given. The workers and the tests run this.

import { isCanary } from "@signalbox/control/evaluate";
import type { BusEvent, Handler } from "@signalbox/core/bus/bus";
import { NotNow } from "@signalbox/core/bus/bus";
import { decodeEvent, encodeRow, type OutboxText } from "@signalbox/core/bus/envelope";
import { AppError } from "@signalbox/core/errors";
import { onceFor } from "@signalbox/core/once-for";
import { childOf, formatTraceparent, readTraceparent } from "@signalbox/core/trace-context";
import { isDatabaseAway } from "@signalbox/db";
import type { Ctx, Deps, EventType, Job } from "./ctx.ts";

/** Each module is a consumer group of its own, so that one that fails does not stop the others. */
export function groupsOf(jobs: Job[]): Map<string, Job[]> {
  return Map.groupBy(jobs, ({ name }) => name.split(".")[0]!);
}

/** Handles an event with every job of one module that wants it; what is switched off waits, and loses nothing. */
export function jobHandler(deps: Deps, jobs: Job[]): Handler {
  const byTopic = Map.groupBy(jobs, ({ event }) => event.name);
  return async (event) => {
    for (const job of byTopic.get(event.topic) ?? []) {
      if (deps.live.rules().off(job.name, event.key, deps.now().getTime()))
        throw new NotNow(`${job.name} is switched off`);
      await runJob(deps, job, event);
    }
  };
}

/** A part that is away is no fault of the event: it is tried again for as long as that lasts. */
export const isPartAway = (error: unknown): boolean =>
  isDatabaseAway(error) ||
  (error instanceof AppError && (error.code === "unavailable" || error.code === "overloaded"));

async function runJob(deps: Deps, job: Job, event: BusEvent): Promise<void> {
  const ctx = jobCtx(deps, job, event);
  const from = performance.now();
  const arm = armOf(deps, job, event);
  if (arm) ctx.variant = arm.variant;
  try {
    await job.run(ctx, readPayload(job.event, event) as never);
  } catch (error) {
    const isOwn = !(error instanceof NotNow) && !isPartAway(error);
    if (arm)
      deps.signals.recordArm(arm.canary, arm.side, performance.now() - from, isOwn ? "error" : "refused");
    throw error;
  }
  if (arm) deps.signals.recordArm(arm.canary, arm.side, performance.now() - from, "ok");
  if (!ctx.log.isLevelEnabled("debug")) return;
  const durationMs = Math.round((performance.now() - from) * 100) / 100;
  ctx.log.debug({ event: event.id, topic: event.topic, durationMs }, "a job is done");
}

/** The canary that a job takes part in: of a code path, by its user as in calls; of a release, by the worker that runs it. */
function armOf({ live, instance }: Deps, job: Job, event: BusEvent) {
  const rules = live.rules();
  const path = rules.canaryOf(job.name);
  if (path) {
    const side = isCanary(path, event.key) ? "canary" : "stable";
    return { canary: path.id, side, variant: side } as const;
  }
  const release = rules.workerOf(job.name.slice(0, job.name.indexOf(".")));
  return release && ({ canary: release.id, side: instance.track, variant: "stable" } as const);
}

function readPayload({ name, version, schema, upgrades }: EventType, event: BusEvent) {
  // A newer release is being rolled out, and its workers will take this up; or it was rolled back, and comes again.
  if (event.version > version)
    throw new NotNow(`${name} came in version ${event.version}; this release reads up to ${version}`);
  let { payload } = event;
  for (let from = event.version; from < version; from++) {
    const upgrade = upgrades[from];
    if (upgrade === undefined) throw new Error(`${name} has no upgrade from version ${from}`);
    payload = upgrade(payload as never);
  }
  return schema.parse(payload);
}

function jobCtx(deps: Deps, job: Job, event: BusEvent): Ctx {
  const trace = childOf(readTraceparent(event.traceparent));
  const { requestId } = event;
  return {
    ...deps,
    log: deps.log.child({ requestId, traceId: trace.traceId, job: job.name }),
    actor: { kind: "job", name: job.name },
    requestId,
    traceparent: formatTraceparent(trace),
    event: { id: event.id, group: job.name.split(".")[0]!, at: event.at },
    variant: "stable",
    address: "",
    userAgent: "",
    answer: { headers: {} },
  };
}

const drained = onceFor((_deps: Deps) => new Set<string>());

/**
 * Delivers every event that is in the outbox and was not delivered by an earlier call, with those that the jobs
 * announce, straight from the table: for tests, which want to read what the jobs did as soon as this resolves.
 */
export async function drainOutbox(deps: Deps, jobs: Job[]): Promise<void> {
  const done = drained(deps);
  const handlers = [...groupsOf(jobs).values()].map((each) => jobHandler(deps, each));
  for (;;) {
    const rows = await deps.sql<(OutboxText & { at: string })[]>`
      select id, key, topic, version::text, payload::text, request_id, traceparent,
        (created_at at time zone 'UTC')::text || '+00' as created_at
      from outbox order by position`;
    const fresh = rows.filter(({ id }) => !done.has(id));
    if (fresh.length === 0) return;
    for (const row of fresh) {
      for (const handle of handlers)
        await handle(decodeEvent(encodeRow(row)), { group: "tests", partition: 0, attempt: 1 });
      done.add(row.id);
    }
  }
}

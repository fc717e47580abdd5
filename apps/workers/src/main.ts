// Process: runs the modules' jobs for every event of the bus.

import { bucketOf } from "@signalbox/control/bucket";
import { createRedisBus } from "@signalbox/core/bus/redis-bus";
import { answers, createHealth } from "@signalbox/core/health";
import { gauges, serveHealth } from "@signalbox/core/health-server";
import { type Begun, runProcess } from "@signalbox/core/process";
import { createBusStore } from "@signalbox/db/bus-store";
import { createSchemaCheck } from "@signalbox/db/schema-state";
import { jobs, work } from "@signalbox/modules";
import { startCanaryJudge } from "@signalbox/modules/canaries";
import { openDeps } from "@signalbox/modules/deps";
import { startWork } from "@signalbox/modules/work";
import { startAskedWork } from "./asked-work.ts";
import { consumeJobs } from "./consumers.ts";
import { keepSchedules } from "./schedules.ts";
import { startUpkeep } from "./upkeep.ts";

await runProcess(main);

async function main({ config, log, shutdown }: Begun) {
  const deps = await openDeps(config, { log, shutdown, role: "worker" });

  const bus = createRedisBus({
    url: config.REDIS_URL,
    log,
    store: createBusStore(deps.sql, deps.watch),
    worker: deps.instance.id,
    track: deps.instance.track,
    canaryOf(group) {
      const canary = deps.live.rules().workerOf(group);
      return canary && { share: canary.weight, rank: (partition) => bucketOf(canary.salt, `p${partition}`) };
    },
  });
  const groups = consumeJobs(bus, deps, jobs);
  const upkeep = startUpkeep({ sql: deps.sql, redis: deps.redis, log });
  const askedWork = startAskedWork(deps);
  const judge = startCanaryJudge(deps);
  startWork(deps, work);
  const schedules = keepSchedules(deps);

  const health = createHealth({ version: config.SIGNALBOX_VERSION, serviceId: deps.instance.id });
  health.add(
    "postgres",
    "datastore",
    answers(() => deps.sql`select 1`),
    { reason: "db" },
  );
  health.add("schema", "component", createSchemaCheck(deps.watch));
  health.add(
    "redis",
    "datastore",
    answers(() => deps.redis.ping()),
  );
  const server = await serveHealth({
    host: config.SIGNALBOX_HOST,
    port: config.SIGNALBOX_HEALTH_PORT,
    health,
    metrics: async () => {
      const lines: Record<string, number> = {};
      const held = bus.held();
      for (const group of groups) {
        const lag = await bus.lag(group);
        const label = `{group="${group}"}`;
        lines[`signalbox_bus_lag_events${label}`] = lag.reduce((sum, { events }) => sum + events, 0);
        lines[`signalbox_bus_lag_seconds${label}`] = Math.max(...lag.map(({ oldestMs }) => oldestMs)) / 1000;
        lines[`signalbox_bus_partitions_held${label}`] = held[group]?.length ?? 0;
      }
      for (const { queue } of work) {
        const { ready, active, failed, oldestMs, took } = await deps.queues.depth(queue);
        const label = `{queue="${queue.name}"}`;
        lines[`signalbox_queue_ready_jobs${label}`] = ready;
        lines[`signalbox_queue_active_jobs${label}`] = active;
        lines[`signalbox_queue_failed_jobs${label}`] = failed;
        lines[`signalbox_queue_oldest_seconds${label}`] = oldestMs / 1000;
        if (took) lines[`signalbox_queue_took_p95_seconds${label}`] = took.p95Ms / 1000;
      }
      return gauges(lines);
    },
  });
  log.info({ port: server.port, groups }, "the workers are at work");

  shutdown.add("health port", () => server.close());
  shutdown.add("upkeep", () => upkeep.close());
  shutdown.add("judge of canaries", () => judge.close());
  shutdown.add("schedules", () => schedules.close());
  shutdown.add("what people asked for", () => askedWork.close());
  // Less than the shutdown's own limit, so that leases are given back in any case.
  shutdown.add("consumers", () => bus.close(6_500));
  shutdown.add("readiness", () => health.drain());
}

// The api process: opens what it needs, listens on both ports, and leaves in good order.

import { setTimeout as pause } from "node:timers/promises";
import { cacheFamilies } from "@signalbox/core/cache/families";
import { answers, createHealth, type Health } from "@signalbox/core/health";
import { serveHealth } from "@signalbox/core/health-server";
import { createMetrics } from "@signalbox/core/metrics";
import { type Begun, runProcess } from "@signalbox/core/process";
import { partFamilies } from "@signalbox/core/resilience/families";
import { createSchemaCheck } from "@signalbox/db/schema-state";
import { appRouter } from "@signalbox/modules";
import { openPlane } from "@signalbox/modules/control";
import { openDeps, readOperatorToken } from "@signalbox/modules/deps";
import { createStreams, liveSources } from "@signalbox/modules/live";
import { replicaFamilies } from "@signalbox/modules/replicas";
import { serviceOf } from "@signalbox/modules/trpc";
import { openWrites } from "@signalbox/modules/writes";
import type { FastifyInstance } from "fastify";
import { createGatewayApp, createOperatorApp } from "./app.ts";
import { readRole } from "./role.ts";
import { createServicePort } from "./service-port.ts";

await runProcess(main);

async function main({ config, log, shutdown }: Begun) {
  const role = readRole(config, [...new Set(Object.keys(appRouter._def.procedures).map(serviceOf))]);
  // Set when it listens: before, nothing should come.
  let opened: Health | undefined;
  const deps = await openDeps(config, {
    log,
    shutdown,
    role: role.name,
    address: role.address,
    ...(role.services ? { services: role.services } : {}),
    health: async () => (opened ? (await opened.ready()).status : "fail"),
  });

  const health = createHealth({ version: config.SIGNALBOX_VERSION, serviceId: deps.instance.id });
  health.add(
    "postgres",
    "datastore",
    answers(() => deps.watch`select 1`),
    // A gateway asks it for little, and keeps what it was told.
    { required: role.name !== "gateway", reason: "db" },
  );
  health.add("schema", "component", createSchemaCheck(deps.watch));
  // Without Redis the platform is slower, not down: cached reads, local limits, feeds from Postgres.
  health.add(
    "redis",
    "datastore",
    answers(() => deps.redis.ping()),
    { required: false },
  );

  for (const { name } of deps.replicas?.list() ?? [])
    health.add(
      name,
      "datastore",
      async () => {
        const fault = deps.replicas?.list().find((each) => each.name === name)?.fault;
        return fault ? { status: "fail", output: fault } : { status: "pass" };
      },
      { required: false },
    );

  const writes = await openWrites(config, deps);
  if (writes) shutdown.add("queued writes", () => writes.close());

  const metrics = createMetrics({
    signals: deps.signals,
    instance: deps.instance,
    commit: config.SIGNALBOX_COMMIT,
    redis: deps.redis,
  });
  metrics.add(() => cacheFamilies(deps.cache.status()));
  metrics.add(() => partFamilies(deps.signals.parts()));
  if (writes) metrics.add(() => writes.families());
  metrics.add(() => replicaFamilies(deps));
  const serving = writes ? { ...deps, writes } : deps;

  const host = config.SIGNALBOX_HOST;
  const doors: Record<string, unknown> = {};
  if (config.SIGNALBOX_HEALTH_PORT > 0) {
    const port = await serveHealth({
      ...{ host, port: config.SIGNALBOX_HEALTH_PORT, health },
      metrics: () => metrics.text(),
    });
    shutdown.add("health port", () => port.close());
  }
  if (role.operatorPort !== undefined) {
    const plane = openPlane(deps);
    shutdown.add("control plane", () => plane.close());
    const operator = createOperatorApp(
      deps,
      { health, metrics, operatorToken: readOperatorToken(config) },
      config,
    );
    // An open stream of signals would hold its listener for ever.
    shutdown.add("operators' listener", () => closeNow(operator));
    await operator.listen({ host, port: role.operatorPort });
    doors.operator = operator.server.address();
  }
  if (role.gatewayPort !== undefined) {
    const streams = createStreams({ ...deps, sources: liveSources });
    metrics.add(() => streams.families());
    const gateway = createGatewayApp({ ...serving, streams }, health, config);
    shutdown.add("gateway's listener", () => gateway.close());
    shutdown.add("live streams", () => streams.close());
    // A balancer before a gateway asks whether it is ready, and hears first that it is leaving.
    if (role.name === "gateway") shutdown.add("whoever still comes", () => pause(leaveMs));
    let requests = 0;
    gateway.server.on("request", () => {
      requests += 1;
    });
    metrics.add(() => [
      {
        name: "signalbox_gateway_requests_total",
        help: "Requests that reached the gateway's port, forwarded and refused ones included.",
        type: "counter",
        samples: [{ value: requests }],
      },
    ]);
    await gateway.listen({ host, port: role.gatewayPort });
    doors.gateway = gateway.server.address();
  }
  if (role.servicePort !== undefined) {
    const port = createServicePort(serving, { services: role.services ?? [], health, metrics: metrics.text });
    shutdown.add("service's listener", () => port.close());
    shutdown.add("registry, and whoever still comes", async () => {
      port.leave();
      await deps.registry.close();
      // Gateways hear of it at once, or with their next look a second later.
      await pause(leaveMs);
    });
    await port.listen({ host, port: role.servicePort });
  }
  shutdown.add("readiness", () => health.drain());
  opened = health;
  if (role.name === "service") await deps.registry.start();
  else await deps.registry.beat();
  log.info({ role: role.name, services: role.services, address: role.address, ...doors }, "listening");
}

const leaveMs = 1_500;

function closeNow(app: FastifyInstance): Promise<void> {
  app.server.closeAllConnections();
  return app.close();
}

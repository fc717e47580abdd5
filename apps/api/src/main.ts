// The api process: opens what it needs, listens on both ports, and leaves in good order.

import { cacheFamilies } from "@signalbox/core/cache/families";
import { ConfigError, readConfig } from "@signalbox/core/config";
import { answers, createHealth } from "@signalbox/core/health";
import { createLogger } from "@signalbox/core/log";
import { createMetrics } from "@signalbox/core/metrics";
import { partFamilies } from "@signalbox/core/resilience/families";
import { createShutdown } from "@signalbox/core/shutdown";
import { openPlane } from "@signalbox/modules/control";
import { openDeps, readOperatorToken } from "@signalbox/modules/deps";
import type { FastifyInstance } from "fastify";
import { createGatewayApp, createOperatorApp } from "./app.ts";

try {
  await main();
} catch (error) {
  // A wrong configuration is the reader's to mend; anything else is ours, and its stack helps.
  console.error(error instanceof ConfigError ? error.message : error);
  process.exit(1);
}

async function main() {
  const config = readConfig(process.env);
  const log = createLogger({
    name: config.SIGNALBOX_NAME,
    level: config.LOG_LEVEL,
    version: config.SIGNALBOX_VERSION,
    track: config.SIGNALBOX_TRACK,
  });
  const shutdown = createShutdown(log);
  const deps = await openDeps(config, {
    log,
    shutdown,
    role: config.SIGNALBOX_ROLE,
    address: `http://${config.SIGNALBOX_HOST}:${config.SIGNALBOX_GATEWAY_PORT}`,
  });

  const plane = openPlane(deps);
  shutdown.add("control plane", () => plane.close());

  const health = createHealth({ version: config.SIGNALBOX_VERSION, serviceId: deps.instance.id });
  health.add(
    "postgres",
    "datastore",
    answers(() => deps.sql`select 1`),
  );
  // Without Redis the platform is slower, not down: cached reads, local limits, feeds from Postgres.
  health.add(
    "redis",
    "datastore",
    answers(() => deps.redis.ping()),
    { required: false },
  );

  const metrics = createMetrics({
    signals: deps.signals,
    instance: deps.instance,
    commit: config.SIGNALBOX_COMMIT,
    redis: deps.redis,
  });
  metrics.add(() => cacheFamilies(deps.cache.status()));
  metrics.add(() => partFamilies(deps.signals.parts()));
  const gateway = createGatewayApp(deps, health, config);
  const operator = createOperatorApp(
    deps,
    { health, metrics, operatorToken: readOperatorToken(config) },
    config,
  );
  // An open stream of signals would hold its listener for ever.
  shutdown.add("operators' listener", () => closeNow(operator));
  shutdown.add("gateway's listener", () => gateway.close());
  shutdown.add("readiness", () => health.drain());
  await operator.listen({ host: config.SIGNALBOX_HOST, port: config.SIGNALBOX_OPERATOR_PORT });
  await gateway.listen({ host: config.SIGNALBOX_HOST, port: config.SIGNALBOX_GATEWAY_PORT });
  log.info({ gateway: gateway.server.address(), operator: operator.server.address() }, "listening");
}

function closeNow(app: FastifyInstance): Promise<void> {
  app.server.closeAllConnections();
  return app.close();
}

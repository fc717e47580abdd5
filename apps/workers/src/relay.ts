// Process: publishes the outbox on the bus.

import { createHealth } from "@signalbox/core/health";
import { gauges, serveHealth } from "@signalbox/core/health-server";
import { type Begun, runProcess } from "@signalbox/core/process";
import { startRelay } from "./relay-loop.ts";

const lagWarningBytes = 1024 ** 3;

await runProcess(main);

async function main({ config, log, shutdown }: Begun) {
  const relay = startRelay({
    databaseUrl: config.DATABASE_DIRECT_URL ?? config.DATABASE_URL,
    redisUrl: config.REDIS_URL,
    log,
  });

  const health = createHealth({ version: config.SIGNALBOX_VERSION, serviceId: config.SIGNALBOX_NAME });
  health.add("relay", "component", async () => {
    const { state, lastError } = relay.status();
    // A standby is ready: it has nothing to do as long as the other one works.
    if (state === "active" || state === "standby") return { status: "pass", output: state };
    return { status: "fail", output: lastError ?? state };
  });
  health.add("redis", "datastore", async () => {
    const { state, redisUp } = relay.status();
    return redisUp || state === "standby"
      ? { status: "pass" }
      : { status: "fail", output: "Redis is away; events wait in the database" };
  });
  health.add(
    "slot",
    "datastore",
    async () => {
      const { bytesBehind, walStatus, safeBytes, state } = relay.status();
      if (state !== "active" || walStatus === "unknown") return { status: "pass" };
      const output = `${bytesBehind} bytes behind, ${walStatus}`;
      if (bytesBehind > lagWarningBytes) return { status: "warn", output };
      if (safeBytes === undefined)
        return {
          status: "warn",
          output: `${output}; max_slot_wal_keep_size has no limit, so a relay that stays away fills the database's disk: set it`,
        };
      return { status: "pass", output };
    },
    { required: false },
  );

  const server = await serveHealth({
    host: config.SIGNALBOX_HOST,
    port: config.SIGNALBOX_HEALTH_PORT,
    health,
    metrics: () => {
      const status = relay.status();
      return gauges({
        signalbox_relay_active: status.state === "active" ? 1 : 0,
        signalbox_relay_behind_bytes: status.bytesBehind,
        signalbox_relay_behind_seconds: status.secondsBehind,
        signalbox_relay_slot_safe_bytes: status.safeBytes,
        signalbox_relay_published_total: status.published,
        signalbox_relay_republished_total: status.republished,
      });
    },
  });
  log.info({ port: server.port }, "the relay answers on its health port");
  shutdown.add("health port", () => server.close());
  shutdown.add("relay", () => relay.close());
  shutdown.add("readiness", () => health.drain());
}

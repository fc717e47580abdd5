// What of the Compose file can be asked without a Docker: that every service is as hardened as it says, that only the edge is
// published, and that the alerts name what processes report.
import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { parse } from "yaml";
import { root } from "../repository.ts";
import { type ComposeFile, composeFaults } from "./hardening.ts";

const read = (path: string) => readFileSync(join(root, path), "utf8");
const file = () => parse(read("compose/compose.yaml"), { merge: true }) as ComposeFile;

test("every service runs as an ordinary user, without capabilities, bounded, and on a root it can not write", () => {
  assert.deepEqual(composeFaults(file()), []);
});

test("each of those faults is seen", () => {
  const spoil = (change: (file: ComposeFile) => void, expected: RegExp) => {
    const spoilt = file();
    change(spoilt);
    const faults = composeFaults(spoilt);
    assert.equal(faults.length, 1, `${String(expected)}: ${faults.join("; ")}`);
    assert.match(faults[0]!, expected);
  };
  spoil(({ services }) => (services.api!.user = "root"), /api runs as root/);
  spoil(({ services }) => delete services.api!.user, /api runs as root/);
  spoil(({ services }) => (services.api!.read_only = false), /api can write its root/);
  spoil(({ services }) => (services.workers!.cap_drop = []), /workers keeps capabilities/);
  spoil(({ services }) => (services.api!.cap_add = ["SYS_ADMIN"]), /api asks for SYS_ADMIN/);
  spoil(({ services }) => (services.relay!.security_opt = []), /relay may gain privileges/);
  spoil(({ services }) => delete services.postgres!.mem_limit, /postgres has no bound on memory/);
  spoil(({ services }) => delete services.valkey!.pids_limit, /valkey has no bound on processes/);
  spoil(({ services }) => delete services.console!.logging, /console's logs have no bound/);
  spoil(({ services }) => delete services.api!.healthcheck, /api has no health check/);
  spoil(({ services }) => (services.api!.ports = ["8080:8080"]), /api is published/);
  spoil(({ services }) => (services.edge!.ports = ["8080:8080"]), /edge is published beyond 127\.0\.0\.1/);
  spoil(({ services }) => (services.postgres!.image = "postgres"), /postgres has no version/);
  spoil(({ services }) => (services.valkey!.image = "bitnami/valkey:8"), /valkey comes from bitnami/);
  spoil(
    ({ services }) => (services.api!.environment = { REDIS_PASSWORD: "secret" }),
    /api has a secret in its environment/,
  );
});

test("every name in an alert is one that a process reports", () => {
  const names = read("compose/metrics/rules.yml").match(/signalbox_\w+/g) ?? [];
  const sources = globSync("{packages,apps}/*/src/**/*.ts", { cwd: root }).map(read).join("\n");
  for (const name of new Set(names)) assert.ok(sources.includes(name), `nothing reports ${name}`);
});

test("every alert has a case that tries it", () => {
  const alerts = [...read("compose/metrics/rules.yml").matchAll(/- alert: (\w+)/g)].map(([, name]) => name);
  const tried = [...read("compose/metrics/rules.test.yml").matchAll(/alertname: (\w+)/g)].map(
    ([, name]) => name,
  );
  assert.ok(alerts.length >= 7);
  assert.deepEqual(
    alerts.filter((name) => !tried.includes(name)),
    [],
  );
});

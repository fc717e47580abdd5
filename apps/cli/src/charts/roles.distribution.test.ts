import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { promisify } from "node:util";
import { createEmptyTestDatabase } from "@signalbox/db/testing";
import postgres from "postgres";
import { requireWhole } from "../testing/doctor-checks.ts";
import { chartValues } from "./generate.ts";
import { podsOf } from "./lints.ts";
import { type Secrets, type StartedPod, startPod } from "./pod-stand-in.ts";
import { type Manifest, profiles, render } from "./render.ts";
import { requireTool } from "./tools.ts";

const run = promisify(execFile);

// As a cluster would: a Job makes the secrets, pods start and wait, a Job migrates, all become ready, doctor looks, all end.
// Each pod has an address of its own on this machine, so that all listen on the ports of the chart.

const folder = mkdtempSync(join(tmpdir(), "signalbox-pods-"));
const names = ["gateway", "api", "operator", "workers", "relay"];
const addresses = Object.fromEntries(
  [...names, "bootstrap", "migrate", "doctor"].map((name, at) => [
    name,
    `127.77.${process.pid % 250}.${at + 1}`,
  ]),
);
const secrets: Secrets = {};
const posts: string[] = [];
const pods: Record<string, StartedPod> = {};
let database: Awaited<ReturnType<typeof createEmptyTestDatabase>>;
let manifests: Manifest[];
let cluster: Server;

/** What of the API server the bootstrap Job meets: rights of its Role, 404, 409. */
async function startCluster(): Promise<void> {
  const account = join(folder, "account");
  mkdirSync(account, { recursive: true });
  await run("openssl", [
    ...["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=kubernetes"],
    ...[
      "-addext",
      "subjectAltName=IP:127.0.0.1",
      "-keyout",
      join(account, "key"),
      "-out",
      join(account, "ca.crt"),
    ],
  ]);
  writeFileSync(join(account, "token"), "token-of-the-pod\n");
  writeFileSync(join(account, "namespace"), "signalbox");
  const files = { key: readFileSync(join(account, "key")), cert: readFileSync(join(account, "ca.crt")) };
  cluster = createServer(files, (request, response) => {
    const send = (status: number, body: object) => response.writeHead(status).end(JSON.stringify(body));
    const [, name] = /^\/api\/v1\/namespaces\/signalbox\/secrets(?:\/([\w-]+))?$/.exec(request.url!) ?? [];
    if (request.headers.authorization !== "Bearer token-of-the-pod") return send(401, { message: "who?" });
    if (request.method === "GET" && name)
      return secrets[name] ? send(200, { data: secrets[name] }) : send(404, { message: "not found" });
    if (request.method !== "POST") return send(403, { message: `${request.method} is not in the Role` });
    let text = "";
    request.on("data", (chunk) => {
      text += chunk;
    });
    request.on("end", () => {
      posts.push(text);
      const made = JSON.parse(text) as { metadata: { name: string }; stringData: Record<string, string> };
      if (secrets[made.metadata.name]) return send(409, { message: "already exists" });
      secrets[made.metadata.name] = made.stringData;
      return send(201, {});
    });
  });
  cluster.listen(0, "127.0.0.1");
  await once(cluster, "listening");
}

before(
  async () => {
    const helm = await requireTool("helm", (text) => console.error(text));
    database = await createEmptyTestDatabase();
    const url = new URL(database.url);
    secrets.postgres = { password: decodeURIComponent(url.password) };
    url.password = "";
    manifests = await render(helm, {
      values: [profiles.laptop!],
      set: {
        "database.host": "",
        "database.url": url.href,
        "redis.host": "",
        "redis.url": process.env.TEST_REDIS_URL!,
      },
    });
    await startCluster();
  },
  { timeout: 15 * 60_000 },
);

after(async () => {
  for (const pod of Object.values(pods)) pod.kill();
  await Promise.all(Object.values(pods).map(({ exited }) => exited));
  cluster?.closeAllConnections();
  cluster?.close();
  if (database) {
    const sql = postgres(database.url, { max: 1, onnotice: () => {} });
    await sql`select pg_drop_replication_slot(slot_name) from pg_replication_slots where database = current_database()`;
    await sql.end();
    await database.drop();
  }
  rmSync(folder, { recursive: true, force: true });
});

const ownerOf = (name: string) =>
  podsOf(manifests).find(({ manifest }) =>
    new RegExp(`^demo-signalbox-${name}(-[0-9a-f]{10})?$`).test(manifest.metadata.name),
  )!;

const start = (name: string, env: Record<string, string> = {}) =>
  startPod(ownerOf(name), {
    folder: join(folder, name),
    address: addresses[name]!,
    secrets,
    names: Object.fromEntries(names.map((each) => [`demo-signalbox-${each}`, addresses[each]!])),
    env,
  });

const bootstrap = () =>
  start("bootstrap", {
    NODE_EXTRA_CA_CERTS: join(folder, "account/ca.crt"),
    SIGNALBOX_SERVICE_ACCOUNT_DIR: join(folder, "account"),
    KUBERNETES_SERVICE_HOST: "127.0.0.1",
    KUBERNETES_SERVICE_PORT: `${(cluster.address() as AddressInfo).port}`,
  });

async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  for (let left = 1_200; left > 0; left -= 1) {
    if (await isSo()) return;
    await pause(100);
  }
  assert.fail(
    `${what}\n${Object.entries(pods)
      .map(([name, pod]) => `${name}:\n${pod.output().slice(-2_000)}`)
      .join("\n")}`,
  );
}
const reasonOf = async (name: string) => {
  const answer = await pods[name]!.ask("readinessProbe");
  return answer && `${answer.status} ${((await answer.json()) as { reason?: string }).reason ?? ""}`;
};

test("the bootstrap Job makes the install's secrets once, and can change nothing", async () => {
  assert.throws(() => start("gateway"), /the pod would wait for it/);
  const first = bootstrap();
  assert.equal(await first.exited, 0, first.output());
  const made = structuredClone(secrets["demo-signalbox-secrets"]!);
  assert.deepEqual(Object.keys(made).sort(), ["operator-token", "secret"]);
  assert.match(made.secret!, /^[\w-]{43}$/);
  const second = bootstrap();
  assert.equal(await second.exited, 0, second.output());
  assert.match(second.output(), /nothing was changed/);
  assert.deepEqual(secrets["demo-signalbox-secrets"], made);
  assert.equal(posts.length, 1);

  delete secrets["demo-signalbox-secrets"]!["operator-token"];
  const third = bootstrap();
  assert.equal(await third.exited, 1, "half a Secret is for a person to mend");
  assert.match(third.output(), /has no operator-token/);
  secrets["demo-signalbox-secrets"] = made;
});

test("pods that come before the migrations wait, alive and not ready, and all are ready after the Job", async () => {
  for (const name of names) pods[name] = start(name);
  for (const name of ["gateway", "api", "operator", "workers"]) {
    await until(
      `${name} says that the schema is behind`,
      async () => (await reasonOf(name)) === "503 schema_behind",
    );
    assert.equal((await pods[name]!.ask("livenessProbe"))?.status, 200);
    assert.equal((await pods[name]!.ask("startupProbe"))?.status, 200);
  }
  const migrate = start("migrate");
  assert.equal(await migrate.exited, 0, migrate.output());
  for (const name of names)
    await until(`${name} is ready`, async () => (await pods[name]!.ask("readinessProbe"))?.ok === true);
});

test("a call goes through gateway and service, and the metrics that scalers read are there", async () => {
  const unique = Math.random().toString(36).slice(2, 10);
  const answer = await fetch(`http://${addresses.gateway}:8080/v1/auth/register`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      handle: `h_${unique}`,
      email: `${unique}@example.com`,
      password: `long enough ${unique}`,
    }),
  });
  assert.equal(answer.status, 201, await answer.text());
  const metrics = async (name: string) => (await fetch(`http://${addresses[name]}:8082/metrics`)).text();
  assert.match(await metrics("gateway"), /^signalbox_gateway_requests_total [1-9]/m);
  assert.match(await metrics("api"), /^signalbox_calls_total\{.*auth\.\w+.*\} [1-9]/m);
  const ofWorkers = await metrics("workers");
  assert.match(ofWorkers, /^signalbox_queue_ready_jobs\{queue="/m);
  assert.match(ofWorkers, /^signalbox_bus_lag_events\{group="/m);
  assert.match(await metrics("relay"), /^signalbox_relay_active /m);
});

test("a pod that does nothing holds well under what it asks for: memory that it has anyway is no load", () => {
  const { defaults } = chartValues() as { defaults: { resources: { requests: { memory: string } } } };
  const asked = Number(/^(\d+)Mi$/.exec(defaults.resources.requests.memory)![1]) * 1024 ** 2;
  for (const name of names) {
    const share = pods[name]!.residentBytes() / asked;
    assert.ok(share < 0.75, `${name} holds ${Math.round(share * 100)} % of what it asks for`);
  }
});

test("the first operator's link is made where the secret is", async () => {
  const link = startPod(
    { ...ownerOf("operator"), pod: { ...ownerOf("operator").pod, containers: [linkContainer()] } },
    { folder: join(folder, "operator"), address: addresses.operator!, secrets, names: {} },
  );
  assert.equal(await link.exited, 0, link.output());
  assert.match(link.output(), /^http:\/\/127\.0\.0\.1:3000\/sign-in#sbl_/);
});
const linkContainer = () => ({
  ...ownerOf("operator").pod.containers[0]!,
  args: ["apps/cli/src/sign-in-link.ts"],
});

test("helm test is doctor: it passes, and fails when a role is gone", async () => {
  const well = start("doctor");
  assert.equal(await well.exited, 0, well.output());
  requireWhole(well.output());
  assert.equal(await pods.workers!.end(), 0, pods.workers!.output());
  let ill: StartedPod | undefined;
  // A role is forgotten five seconds after its last word.
  for (let left = 6; left > 0; left -= 1) {
    ill = start("doctor");
    if ((await ill.exited) === 1) break;
    await pause(1_000);
  }
  assert.match(ill!.output(), /fail workers +none is there/);
});

test("every pod ends by itself when it is told to, with status 0", async () => {
  for (const name of names.filter((each) => each !== "workers"))
    assert.equal(await pods[name]!.end(), 0, `${name}\n${pods[name]!.output().slice(-2_000)}`);
});

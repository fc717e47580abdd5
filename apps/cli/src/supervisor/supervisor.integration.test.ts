// The supervisor on real engines, with stand-ins for the roles.
import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { get } from "node:http";
import { join } from "node:path";
import { test } from "node:test";
import { identify, isAlive } from "../process-identity.ts";
import {
  eventually,
  freePortBase,
  processOf,
  runFileOf,
  scratchFolder,
  signalbox,
  startStandIns,
  stateOf,
} from "../testing/harness.ts";

const crash = (url: string) =>
  new Promise((done) => get(`${url}/crash`).once("error", done).once("close", done));

test("an install starts, says where it is, keeps its secrets and stops in order", async (context) => {
  const folder = scratchFolder(context);
  const portBase = await freePortBase();
  const first = startStandIns({ dataDir: folder, portBase });
  await first.heard(/^ready/);
  const run = runFileOf(folder)!;
  assert.deepEqual(Object.keys(run), [
    ...["version", "commit", "api", "operator", "console", "postgres", "redis", "operatorToken", "processes"],
  ]);
  assert.deepEqual(
    run.processes.map(({ name }) => name),
    ["supervisor", "postgres", "redis", "relay", "workers", "api"],
  );
  for (const { pid } of run.processes) assert.ok(identify(pid));
  for (const path of [
    "run.json",
    "secrets/master.key",
    "secrets/operator-token",
    "secrets/postgres-password",
  ])
    assert.equal(statSync(join(folder, path)).mode & 0o777, 0o600, path);
  assert.equal(statSync(folder).mode & 0o077, 0);
  assert.match(readFileSync(run.operatorToken, "utf8"), /^sbo_[\w-]{43}\n$/);
  const secrets = ["master.key", "operator-token", "postgres-password"].map((name) =>
    join(folder, "secrets", name),
  );
  const before = secrets.map((path) => readFileSync(path, "utf8"));

  const status = await signalbox(["status", "--data-dir", folder]);
  assert.equal(status.code, 0);
  assert.match(status.out, /api +ready/);

  const began = performance.now();
  first.child.kill("SIGTERM");
  await once(first.child, "exit");
  assert.ok(performance.now() - began < 10_000);
  for (const { pid } of run.processes) assert.equal(identify(pid), undefined);
  assert.equal(runFileOf(folder), undefined);

  const second = startStandIns({ dataDir: folder, portBase });
  await second.heard(/^ready/);
  assert.deepEqual(
    secrets.map((path) => readFileSync(path, "utf8")),
    before,
  );
});

test("a crashed process is started again with growing pauses, and run.json names its new pid", async (context) => {
  const folder = scratchFolder(context);
  const { heard, words } = startStandIns({ dataDir: folder, portBase: await freePortBase() });
  await heard(/^ready/);
  const { api, processes } = runFileOf(folder)!;
  const pidOf = (name: string) => runFileOf(folder)?.processes.find((process) => process.name === name)?.pid;
  for (const restarts of [1, 2, 3]) {
    await crash(api);
    await eventually(() => processOf(folder, "api")?.restarts === restarts, `restart ${restarts}`);
    await eventually(() => processOf(folder, "api")?.state === "ready", `ready after restart ${restarts}`);
  }
  const pauses = words.flatMap(
    ({ text }) => /api ended \(exit 7\); starting it again in ([\d.]+) s/.exec(text ?? "")?.[1] ?? [],
  );
  assert.deepEqual(pauses, ["0.1", "0.1", "0.2"]);
  assert.notEqual(pidOf("api"), processes.find(({ name }) => name === "api")!.pid);

  // Engines come back as well, on their own data.
  for (const name of ["redis", "postgres"]) {
    const killed = pidOf(name)!;
    process.kill(killed, "SIGKILL");
    await eventually(
      () => processOf(folder, name)?.state === "ready" && pidOf(name) !== killed,
      `${name} is back`,
    );
  }
  const status = await signalbox(["status", "--data-dir", folder]);
  assert.match(status.out, /api .*restarted 3×/);
});

test("a process that answers and is not ready keeps its doors open, however long what it needs is away", async (context) => {
  const folder = scratchFolder(context);
  const options = { dataDir: folder, portBase: await freePortBase() };
  const { heard, words } = startStandIns(options, { STAND_IN_READY_MS: "5000" });
  await heard(/^ready/);
  const { api } = runFileOf(folder)!;
  const away = join(folder, "nobody-is-ready");
  writeFileSync(away, "");
  const hanging = await signalbox(["status", "--data-dir", folder]);
  assert.equal(hanging.code, 1);
  assert.match(hanging.out, /api +ready .*\n[\s\S]*the gateway is not ready \(503\)\n.*doctor --install/);
  await crash(api);
  await eventually(
    () => /waits for what it needs/.test(processOf(folder, "api")?.note ?? ""),
    "it is left alone",
  );
  assert.ok((await fetch(`${api}/livez`)).ok);
  const { restarts, process: kept } = processOf(folder, "api")!;
  const status = await signalbox(["status", "--data-dir", folder]);
  assert.equal(status.code, 1);
  assert.match(status.out, /api +starting .*answers, and waits for what it needs/);

  rmSync(away);
  await eventually(() => processOf(folder, "api")?.state === "ready", "it is ready again");
  const now = processOf(folder, "api")!;
  assert.deepEqual([now.restarts, now.process?.pid, now.note], [restarts, kept?.pid, undefined]);
  assert.ok(!words.some(({ text }) => /api is not ready/.test(text ?? "")));
});

test("after kill -9 of the supervisor its processes live on, and the next start takes their place", async (context) => {
  const folder = scratchFolder(context);
  const portBase = await freePortBase();
  const first = startStandIns({ dataDir: folder, portBase });
  await first.heard(/^ready/);
  const before = stateOf(folder)!;
  first.child.kill("SIGKILL");
  await once(first.child, "exit");
  for (const { process } of before.processes) assert.ok(isAlive(process!));

  const status = await signalbox(["status", "--data-dir", folder]);
  assert.equal(status.code, 1);
  assert.match(status.out, /supervisor gone/);
  assert.match(status.out, /postgres +unsupervised/);

  // A recycled pid in the state file belongs to somebody else and is left alone.
  const bystander = before.processes.find(({ name }) => name === "api")!;
  const real = bystander.process!;
  bystander.process = { pid: process.pid, startedAt: real.startedAt };
  writeFileSync(join(folder, "state.json"), JSON.stringify(before));

  const second = startStandIns({ dataDir: folder, portBase });
  await second.heard(/^ready/);
  assert.match(second.words.find(({ kind }) => kind === "event")!.text!, /left running: .*postgres.*api/);
  for (const { process } of before.processes)
    if (process!.pid !== globalThis.process.pid) assert.ok(!isAlive(process!));
  assert.ok(!isAlive(real));

  second.child.kill("SIGKILL");
  await once(second.child, "exit");
  const left = stateOf(folder)!.processes;
  const down = await signalbox(["down", "--data-dir", folder]);
  assert.match(down.out, /Ended what was left running/);
  for (const { process } of left) assert.ok(!isAlive(process!));
});

test("a role that fails three times with a changed configuration falls back to its last good one", async (context) => {
  const folder = scratchFolder(context);
  const portBase = await freePortBase();
  const good = startStandIns({ dataDir: folder, portBase }, { SIGNALBOX_STAND_IN: "good" });
  await good.heard(/^ready/);
  good.child.kill("SIGTERM");
  await once(good.child, "exit");
  assert.equal(statSync(join(folder, "last-good/api.json")).mode & 0o777, 0o600);

  writeFileSync(join(folder, "config.env"), "SIGNALBOX_STAND_IN=broken\n");
  const bad = startStandIns({ dataDir: folder, portBase });
  await bad.heard(/api falls back to its last good configuration \(changed since: SIGNALBOX_STAND_IN\)/);
  await bad.heard(/^ready/);
  const status = await signalbox(["status", "--data-dir", folder]);
  assert.match(
    status.out,
    /api +ready .*runs on its last good configuration; changed since: SIGNALBOX_STAND_IN/,
  );
  const logs = await signalbox(["logs", "supervisor", "--data-dir", folder]);
  assert.match(logs.out, /api failed 3 times: ended \(exit 1\): SIGNALBOX_STAND_IN must not be broken/);
});

test("a role that never becomes ready ends the start with one line, and nothing stays behind", async (context) => {
  const folder = scratchFolder(context);
  const { heard, child } = startStandIns(
    { dataDir: folder, portBase: await freePortBase() },
    { SIGNALBOX_STAND_IN: "broken" },
  );
  await heard(
    /^fault (relay|workers) did not become ready: ended \(exit 1\): SIGNALBOX_STAND_IN must not be broken/,
  );
  if (child.exitCode === null) await once(child, "exit");
  assert.equal(child.exitCode, 1);
  assert.equal(
    (await signalbox(["status", "--data-dir", folder])).out.trim(),
    `Signalbox in ${folder}: stopped`,
  );
});

// Profiles from the cache, on a whole install with a second api process beside the first: how long a cached read takes, what a
// rush for one cold profile costs the database, and how long the other process still shows what was there before a write.
// A bare node:http server is paced beside it at the same rate, which tells what the machine itself adds. `--pairs N` changes how many writes are followed.

import { type ChildProcess, fork, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { freePortBase } from "../apps/cli/src/testing/harness.ts";
import { startInstallForTest } from "../apps/cli/src/testing/install.ts";
import { createPeople } from "../apps/cli/src/testing/people.ts";
import { connectDatabase } from "../packages/db/src/index.ts";
import { type Connection, openConnection, openConnections, percentile } from "./harness/connection.ts";
import { type Driver, openDriver } from "./harness/drive.ts";
import { atHalfLoad } from "./harness/half-load.ts";
import { figure, median, progress, report } from "./harness/report.ts";

const profileCount = 100;
const connectionCount = 32;
/** Until what runs is compiled: a server meets its load for days, and not in its first seconds. */
const warmUpMs = 8_000;
const fullMs = 700;
const warmUpRounds = 3;
const paceRounds = 9;
const paceMs = 1_000;
const coldClients = 1_000;
const coldRounds = 5;
const writerCount = 20;
const pairCount = Number(process.argv[process.argv.indexOf("--pairs") + 1]) || 10_000;

const get = (path: string, token?: string) =>
  `GET ${path} HTTP/1.1\r\nHost: bench\r\n${token ? `Authorization: Bearer ${token}\r\n` : ""}\r\n`;
const patch = (path: string, token: string, body: string) =>
  `PATCH ${path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer ${token}\r\nContent-Type: application/json\r\n` +
  `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;

const [role, body] = process.argv.slice(2);
if (process.send && role === "bare") {
  const server = createServer((_request, response) => {
    response.writeHead(200, {
      "content-type": "application/json; charset=utf-8",
      "content-length": Buffer.byteLength(body!),
    });
    response.end(body);
  });
  // It idles while the other side is measured.
  server.keepAliveTimeout = 60_000;
  server.listen(0, "127.0.0.1", () => process.send?.((server.address() as AddressInfo).port));
  await once(process, "disconnect");
  process.exit();
}

progress("starting an install of its own, and a second api process beside it");
const install = await startInstallForTest({ portBase: await freePortBase() });
const run = install.runFile();
const near = Number(new URL(run.api).port);
const far = near + 10;
const second = spawn(process.execPath, [join(import.meta.dirname, "../apps/api/src/main.ts")], {
  stdio: ["ignore", "ignore", "inherit"],
  env: {
    ...process.env,
    NODE_ENV: "production",
    LOG_LEVEL: "warn",
    DATABASE_URL: run.postgres,
    REDIS_URL: run.redis,
    SIGNALBOX_PUBLIC_URL: run.api,
    SIGNALBOX_GATEWAY_PORT: `${far}`,
    SIGNALBOX_OPERATOR_PORT: `${far + 1}`,
    SIGNALBOX_DATA_DIR: join(install.dataDir, "second"),
    SIGNALBOX_SECRET_FILE: join(install.dataDir, "secrets", "master.key"),
    SIGNALBOX_OPERATOR_TOKEN_FILE: run.operatorToken,
  },
});
const database = connectDatabase(run.postgres, { name: "bench", poolSize: 2 });

try {
  await untilReady(far);
  await liftLimits();
  const people = createPeople(run.api);
  const handles: string[] = [];
  const writers: { handle: string; token: string }[] = [];
  for (let n = 0; n < Math.max(profileCount, writerCount); n += 1) {
    const person = await people.register("bench");
    handles.push(person.handle);
    if (writers.length < writerCount) writers.push(person);
  }

  const cold = await measureCold(people);
  const cached = await measureCached(handles);
  const stale = await measureStaleness(writers);
  const ms = { unit: "ms", better: "lower" as const };
  report("profile", [
    figure("cached profile at half load, p99", cached.p99, { ...ms, bar: 5 }),
    figure(`database queries when ${coldClients} clients ask for one cold profile`, cold.queries, {
      unit: "queries",
      bar: 1,
      better: "lower",
    }),
    figure("write, then read on the other process: stale for, p99", stale.p99, { ...ms, bar: 200 }),
    figure("write, then read on the other process: pairs", stale.pairs, {
      unit: "pairs",
      bar: pairCount,
      better: "higher",
    }),
    figure("answers that were not right", cold.failures + cached.failures + stale.failures, {
      unit: "answers",
      bar: 0,
      better: "lower",
    }),
  ]);
} finally {
  second.kill();
  await database.close();
  await install.stop();
}

/** Cold: nobody ever read this profile. What Postgres itself counts as looks into the tables is what reached it. */
async function measureCold(people: ReturnType<typeof createPeople>) {
  const halves = await Promise.all([
    openConnections(near, coldClients / 2),
    openConnections(far, coldClients / 2),
  ]);
  const connections = halves.flat();
  const newcomers = [];
  for (let n = 0; n < coldRounds; n += 1) newcomers.push((await people.register("cold")).handle);
  const before = await looks();
  let failures = 0;
  const took: number[] = [];
  for (const handle of newcomers) {
    const began = performance.now();
    const answers = await Promise.all(connections.map((each) => each.ask(get(`/v1/users/${handle}`))));
    took.push(performance.now() - began);
    failures += answers.filter(({ status, body }) => status !== 200 || !body.includes(handle)).length;
  }
  const queries = ((await looks()) - before) / coldRounds;
  for (const each of connections) each.close();
  progress(
    `cold: ${coldClients} clients answered in ${Math.round(median(took))} ms, ${queries} queries a profile`,
  );
  return { queries, failures };
}

/** A process tells Postgres' statistics within ten seconds of falling idle. */
async function looks(): Promise<number> {
  await pause(11_000);
  const [row] = await database.sql<{ looks: number }[]>`
    select (sum(seq_scan) + sum(coalesce(idx_scan, 0)))::int as looks from pg_stat_user_tables
    where relname in ('user_counts')`;
  return row!.looks;
}

async function measureCached(handles: string[]) {
  const requests = handles.map((handle) => Buffer.from(get(`/v1/users/${handle}`)));
  const ours = await openDriver(near, requests, connectionCount);
  await ours.run(warmUpMs);
  const one = await openConnection(near);
  const peer = await startBare((await one.ask(get(`/v1/users/${handles[0]}`))).body);
  one.close();
  await peer.driver.run(fullMs);
  const both = async (rate: number) => ({
    ours: await ours.pace({ rate, ms: paceMs }),
    bare: await peer.driver.pace({ rate, ms: paceMs }),
  });
  // These do not count: calls that come one by one take other ways than those that come in heaps.
  for (let round = 0; round < warmUpRounds; round += 1) await both((await ours.run(fullMs)) / 2);
  const { rates, counted } = await atHalfLoad({
    name: "profile",
    rounds: paceRounds,
    reach: () => ours.run(fullMs),
    pace: both,
  });
  const failures = ours.refused + peer.driver.refused;
  ours.close();
  peer.driver.close();
  peer.child.kill();
  const at = (who: "ours" | "bare", share: number) =>
    median(counted.map((round) => percentile(round[who], share)));
  const p99 = at("ours", 0.99);
  progress(
    `cached: ${Math.round(median(rates) * 2)}/s at full load; at half of it p50 ${at("ours", 0.5).toFixed(2)}, p99 ${p99.toFixed(2)} ms; ` +
      `bare node:http p50 ${at("bare", 0.5).toFixed(2)}, p99 ${at("bare", 0.99).toFixed(2)} ms`,
  );
  return { p99, failures };
}

async function startBare(body: string): Promise<{ child: ChildProcess; driver: Driver }> {
  const child = fork(import.meta.filename, ["bare", body], { stdio: ["ignore", "ignore", "inherit", "ipc"] });
  const [port] = (await once(child, "message")) as [number];
  return { child, driver: await openDriver(port, [Buffer.from(get("/"))], connectionCount) };
}

/** Each writer writes on one process, and reads on the other until his own words are there; then the other way round. */
async function measureStaleness(writers: { handle: string; token: string }[]) {
  const lateness: number[] = [];
  let failures = 0;
  const share = Math.ceil(pairCount / writers.length);
  await Promise.all(
    writers.map(async ({ handle, token }) => {
      const sides: [Connection, Connection] = [await openConnection(near), await openConnection(far)];
      for (let n = 0; n < share; n += 1) {
        const [writes, reads] = n % 2 ? sides : sides.toReversed();
        const words = `${handle} wrote ${n}`;
        await reads!.ask(get(`/v1/users/${handle}`));
        const written = await writes!.ask(patch("/v1/me", token, JSON.stringify({ bio: words })));
        if (written.status !== 200)
          throw new Error(`a write was answered ${written.status}: ${written.body}`);
        const began = performance.now();
        for (;;) {
          const askedAt = performance.now();
          const { status, body } = await reads!.ask(get(`/v1/users/${handle}`));
          if (status === 200 && body.includes(`"${words}"`)) {
            lateness.push(askedAt - began);
            break;
          }
          if (status !== 200) failures += 1;
          if (askedAt - began > 5_000) throw new Error(`still stale after 5 s: ${body}`);
        }
      }
      for (const side of sides) side.close();
    }),
  );
  const atOnce = lateness.filter((ms) => ms < 0.5).length / lateness.length;
  const p99 = percentile(lateness, 0.99);
  progress(
    `stale: ${(atOnce * 100).toFixed(1)} % of ${lateness.length} reads had it at once, p99 ${p99.toFixed(1)}, worst ${Math.max(...lateness).toFixed(1)} ms`,
  );
  return { p99, pairs: lateness.length, failures };
}

/** One address sends all of this. */
async function liftLimits(): Promise<void> {
  for (const key of ["address", "user", "auth.account.register"]) {
    const answer = await fetch(`${run.operator}/operator/v1/limits/${key}`, {
      method: "PUT",
      headers: { authorization: `Bearer ${install.operatorToken}`, "content-type": "application/json" },
      body: JSON.stringify({ rate: 1_000_000, burst: 10_000_000, reason: "a benchmark is one address" }),
    });
    if (!answer.ok) throw new Error(`the limit ${key} could not be lifted: ${await answer.text()}`);
  }
}

async function untilReady(port: number): Promise<void> {
  for (let tries = 0; tries < 200; tries += 1) {
    const answer = await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => undefined);
    if (answer?.ok) return;
    await pause(100);
  }
  throw new Error("the second api process did not become ready");
}

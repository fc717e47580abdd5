// Two releases of a service on real processes behind a gateway: the good one is promoted by itself, and one that is made bad on
// purpose is rolled back by itself, also while its judge is killed.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { createTestDatabase } from "@signalbox/db/testing";
import { createProcesses, type Processes, type Started } from "./testing/processes.ts";

const regression = new URL("./testing/regression.ts", import.meta.url).href;

let database: Awaited<ReturnType<typeof createTestDatabase>>;
let processes: Processes;
let gateway: Started;
let operator: Started;
let folder: string;
let judges: Judge[] = [];
let traffic: { stop(): Promise<void>; failed: number; answered: number };

type Judge = { pid: number; kill(): Promise<void> };

/** Workers as they are deployed; two of them, so that one may die. */
async function startJudge(name: string): Promise<Judge> {
  const { NODE_TEST_CONTEXT: _, ...inherited } = process.env;
  const child = spawn(process.execPath, [join(import.meta.dirname, "../../workers/src/main.ts")], {
    stdio: ["ignore", "ignore", "inherit"],
    env: {
      ...inherited,
      NODE_ENV: "production",
      LOG_LEVEL: "error",
      DATABASE_URL: database.url,
      REDIS_URL: process.env.TEST_REDIS_URL,
      SIGNALBOX_SECRET: processes.secret,
      SIGNALBOX_DATA_DIR: join(folder, name),
      SIGNALBOX_NAME: name,
      SIGNALBOX_POOL_SIZE: "2",
      SIGNALBOX_HEALTH_PORT: "0",
      SIGNALBOX_PUBLIC_URL: "http://127.0.0.1:8080",
    },
  });
  const exited = once(child, "exit");
  return {
    pid: child.pid!,
    async kill() {
      child.kill("SIGKILL");
      await exited;
    },
  };
}

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "signalbox-canaries-"));
  database = await createTestDatabase();
  processes = createProcesses({ databaseUrl: database.url, redisUrl: process.env.TEST_REDIS_URL! });
  const users = (track: string, version: string, more: Record<string, string> = {}) =>
    processes.start({
      SIGNALBOX_ROLE: "service",
      SIGNALBOX_SERVICES: "users",
      SIGNALBOX_NAME: `users-${track}`,
      SIGNALBOX_TRACK: track,
      SIGNALBOX_VERSION: version,
      ...more,
    });
  [operator] = await Promise.all([
    processes.start({ SIGNALBOX_ROLE: "operator", SIGNALBOX_NAME: "operator" }),
    users("stable", "1.0.0"),
    users("canary", "2.0.0", {
      NODE_OPTIONS: `--import ${regression}`,
      REGRESSION_FILE: join(folder, "regression.json"),
    }),
  ]);
  gateway = await processes.start({
    SIGNALBOX_ROLE: "gateway",
    SIGNALBOX_NAME: "gateway",
    SIGNALBOX_TRUSTED_PROXIES: "127.0.0.0/8",
  });
  judges = await Promise.all([startJudge("judge-1"), startJudge("judge-2")]);
  for (const key of ["address", "user"]) await ask("PUT", `/limits/${key}`, { rate: 1e6, burst: 1e7 });
  traffic = keepAsking();
});
after(async () => {
  await traffic?.stop();
  await Promise.all(judges.map((judge) => judge.kill()));
  await processes?.close();
  await database?.drop();
  rmSync(folder, { recursive: true, force: true });
});

type Story = {
  id: string;
  state: string;
  weight: number;
  version: number;
  standing: { why: string; verdict: string } | null;
  decisions: {
    act: string;
    verdict: string;
    why: string;
    replays: boolean;
    at: string;
    revision: number | null;
  }[];
  events: { kind: string; actor: { kind: string }; at: string }[];
};

async function ask(method: string, path: string, body?: object): Promise<Story> {
  const answer = await fetch(`${operator.url}/operator/v1${path}`, {
    method,
    headers: { authorization: `Bearer ${processes.operatorToken}`, "content-type": "application/json" },
    ...(body ? { body: JSON.stringify({ reason: "a test", ...body }) } : {}),
  });
  const text = await answer.text();
  assert.ok(answer.ok, `${method} ${path}: ${text}`);
  return JSON.parse(text) as Story;
}

/** Many guests, each of an address of its own, so that a weight is a share of callers. */
function keepAsking() {
  const counts = { answered: 0, failed: 0, going: true };
  const clients = Array.from({ length: 12 }, async () => {
    while (counts.going) {
      const address = `10.${Math.floor(Math.random() * 200)}.${Math.floor(Math.random() * 200)}.1`;
      const answer = await fetch(`${gateway.url}/v1/users/nobody_at_all`, {
        headers: { "x-forwarded-for": address },
      }).catch(() => undefined);
      await answer?.text();
      if (answer?.status === 404) counts.answered += 1;
      else counts.failed += 1;
      await pause(20);
    }
  });
  return Object.assign(counts, {
    async stop() {
      counts.going = false;
      await Promise.all(clients);
    },
  });
}

async function until(
  id: string,
  what: string,
  is: (story: Story) => boolean,
  limitMs: number,
): Promise<Story> {
  for (const end = performance.now() + limitMs; ; await pause(500)) {
    const story = await ask("GET", `/canaries/${id}`);
    if (is(story)) return story;
    if (performance.now() > end)
      throw new Error(
        `${what}: not within ${limitMs} ms; it is ${story.state} at ${story.weight} %, ${story.standing?.why}`,
      );
  }
}

async function anyEjected(): Promise<boolean> {
  const { items } = (await ask("GET", "/services")) as unknown as { items: { ejectedBy: string[] }[] };
  return items.some(({ ejectedBy }) => ejectedBy.length > 0);
}

const start = (steps: { weight: number; bakeSeconds: number }[]) =>
  ask("POST", "/canaries", {
    target: { kind: "release", service: "users", version: "2.0.0" },
    steps,
    // A machine on which tests run is no place to compare milliseconds.
    triggers: { minRequests: 20, slowFloorMs: 400, warmupSeconds: 0, guards: [] },
  });

describe("a release on two tracks", () => {
  test("is rolled back by itself when it fails, though its judge was killed in the middle of a step", async () => {
    const { id } = await start([
      { weight: 20, bakeSeconds: 600 },
      { weight: 45, bakeSeconds: 600 },
    ]);
    await until(id, "it is judged", ({ standing }) => standing !== null, 120_000);
    await judges.shift()!.kill();
    writeFileSync(join(folder, "regression.json"), JSON.stringify({ errors: 0.9 }));
    const story = await until(id, "it is rolled back", ({ state }) => state === "aborted", 120_000);
    const [fall] = story.events.filter(({ kind }) => kind === "canary.aborted");
    assert.equal(fall?.actor.kind, "judge");
    assert.equal(story.weight, 0);
    const decided = await until(id, "its evidence is kept", ({ decisions }) => decisions.length > 0, 60_000);
    assert.deepEqual(
      decided.decisions.map(({ act, verdict, replays }) => [act, verdict, replays]),
      [["abort", "regressed", true]],
    );
    writeFileSync(join(folder, "regression.json"), "{}");
    await pause(300);
    const before = traffic.failed;
    await pause(1_500);
    assert.equal(traffic.failed, before, "nobody meets it any more");
  });

  test("climbs its ladder and is promoted by itself when it is as good", async () => {
    // What failed gets nothing for a while, and a canary without an instance fails.
    for (let left = 200; left > 0 && (await anyEjected()); left -= 1) await pause(200);
    const { id } = await start([
      { weight: 25, bakeSeconds: 3 },
      { weight: 50, bakeSeconds: 3 },
      { weight: 75, bakeSeconds: 3 },
      { weight: 100, bakeSeconds: 0 },
    ]);
    const story = await until(id, "it is promoted", ({ state }) => state !== "ramping", 240_000);
    assert.equal(story.state, "promoted", story.standing?.why);
    assert.deepEqual(
      story.decisions.map(({ act, verdict, replays }) => [act, verdict, replays]),
      [
        ["advance", "healthy", true],
        ["advance", "healthy", true],
        ["promote", "healthy", true],
      ],
    );
    const restored = await ask("POST", `/canaries/${id}/restore`, {});
    assert.deepEqual([restored.state, restored.weight], ["aborted", 0]);
  });
});

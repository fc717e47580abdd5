import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { after, before, describe, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { fixedLive } from "@signalbox/control/live";
import { newId } from "@signalbox/core/ids";
import { createLogger } from "@signalbox/core/log";
import { connectRedis } from "@signalbox/core/redis";
import { createRegistry } from "@signalbox/core/registry";
import { createDependencies } from "@signalbox/core/resilience/dependencies";
import { freePort } from "@signalbox/core/testing/free-port";
import { createTestDatabase } from "@signalbox/db/testing";
import { createUpstreams } from "@signalbox/gateway/upstreams/index";
import { createProcesses, type Processes, type Started } from "./testing/processes.ts";

// A Redis of its own, because one of these tests takes it away.
let redis: ReturnType<typeof spawn>;
let redisPort: number;
let database: Awaited<ReturnType<typeof createTestDatabase>>;
let processes: Processes;
let gateway: Started;
let operator: Started;
const users: Record<"near" | "far" | "new", Started> = {} as never;

const startRedis = async () => {
  redis = spawn("redis-server", ["--port", `${redisPort}`, "--save", "", "--bind", "127.0.0.1"], {
    stdio: "ignore",
  });
  const client = connectRedis(`redis://127.0.0.1:${redisPort}`);
  while ((await client.ping().catch(() => "")) !== "PONG") await pause(50);
  client.disconnect();
};

before(async () => {
  redisPort = await freePort();
  await startRedis();
  database = await createTestDatabase();
  processes = createProcesses({ databaseUrl: database.url, redisUrl: `redis://127.0.0.1:${redisPort}` });
  const service = (zone: string, track: string) =>
    processes.start({
      SIGNALBOX_ROLE: "service",
      SIGNALBOX_SERVICES: "users",
      SIGNALBOX_NAME: `users-${zone}-${track}`,
      SIGNALBOX_ZONE: zone,
      SIGNALBOX_TRACK: track,
      SIGNALBOX_VERSION: track === "canary" ? "2.0.0" : "1.0.0",
    });
  users.near = await service("near", "stable");
  users.far = await service("far", "stable");
  users.new = await service("near", "canary");
  operator = await processes.start({ SIGNALBOX_ROLE: "operator", SIGNALBOX_NAME: "operator" });
  gateway = await processes.start({
    SIGNALBOX_ROLE: "gateway",
    SIGNALBOX_NAME: "gateway",
    SIGNALBOX_ZONE: "near",
  });
});
after(async () => {
  await processes?.close();
  await database?.drop();
  redis?.kill();
});

/** How many calls each service has answered, by its own count. */
async function counts(): Promise<Record<keyof typeof users, number>> {
  const all = await Promise.all(
    Object.entries(users).map(async ([name, { url }]) => {
      const text = await (await fetch(`${url}/metrics`)).text();
      const lines = text
        .split("\n")
        .filter((line) => /^signalbox_calls_total\{.*users\.profile\.read/.test(line));
      return [name, lines.reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0)] as const;
    }),
  );
  return Object.fromEntries(all) as Record<keyof typeof users, number>;
}

async function ask(times: number): Promise<Record<string, number>> {
  const statuses: Record<string, number> = {};
  for (let n = 0; n < times; n += 1) {
    const { status } = await fetch(`${gateway.url}/v1/users/nobody_at_all`);
    statuses[status] = (statuses[status] ?? 0) + 1;
  }
  return statuses;
}

/** What so many calls added to each one's count. */
async function spread(times: number) {
  const before = await counts();
  assert.deepEqual(await ask(times), { 404: times });
  let now = before;
  for (let left = 80; left > 0; left -= 1) {
    now = await counts();
    if (now.near + now.far + now.new >= before.near + before.far + before.new + times) break;
    await pause(100);
  }
  return { near: now.near - before.near, far: now.far - before.far, new: now.new - before.new };
}

async function openUpstreams() {
  const log = createLogger({ name: "test", level: "silent" });
  const client = connectRedis(`redis://127.0.0.1:${redisPort}`);
  await client.ping();
  const registry = createRegistry({
    redis: client,
    log,
    instance: {
      id: newId(),
      name: "test",
      role: "gateway",
      version: "1.0.0",
      track: "stable",
      zone: "near",
      pid: process.pid,
      address: null,
      startedAt: new Date().toISOString(),
    },
  });
  const upstreams = createUpstreams({
    registry,
    live: fixedLive(),
    dependencies: createDependencies({ log, forced: () => undefined }),
    log,
    secret: Buffer.from(processes.secret),
    instance: { zone: "near" },
  });
  await registry.start();
  return {
    upstreams,
    close() {
      upstreams.close();
      void registry.close().then(() => client.disconnect());
    },
  };
}

async function change(path: string, body: object): Promise<void> {
  const answer = await fetch(operator.url + path, {
    method: "PUT",
    headers: { authorization: `Bearer ${processes.operatorToken}`, "content-type": "application/json" },
    body: JSON.stringify({ reason: "a test", ...body }),
  });
  assert.equal(answer.status, 200, await answer.text());
}

describe("where a call goes", () => {
  test("it stays in its zone and on its track", async () => {
    assert.deepEqual(await spread(40), { near: 40, far: 0, new: 0 });
  });

  test("a canary call goes to the canary track", async () => {
    // No operator's act makes a canary yet, so the choice of the stage before is made here.
    const before = await counts();
    const { upstreams, close } = await openUpstreams();
    for (let n = 0; n < 20; n += 1) {
      const { status } = await upstreams.call({
        name: "users.profile.read",
        service: "users",
        variant: "canary",
        idempotent: true,
        context: {
          actor: { kind: "guest" },
          requestId: newId(),
          variant: "canary",
          address: "127.0.0.1",
          userAgent: "",
        },
        body: JSON.stringify({ handle: "nobody_at_all" }),
      });
      assert.equal(status, 404);
    }
    close();
    const now = await counts();
    assert.deepEqual([now.near - before.near, now.far - before.far, now.new - before.new], [0, 0, 20]);
  });

  test("a zone's weight shifts calls away, and back by itself at its end", async () => {
    await change("/operator/v1/zones/near", {
      weight: 0,
      expiresAt: new Date(Date.now() + 12_000).toISOString(),
    });
    assert.deepEqual(await spread(30), { near: 0, far: 30, new: 0 });
    const shown = await fetch(`${operator.url}/operator/v1/zones`, {
      headers: { authorization: `Bearer ${processes.operatorToken}` },
    });
    const { items } = (await shown.json()) as { items: { key: string; weight: number; instances: number }[] };
    assert.deepEqual(
      items
        .filter(({ key }) => key !== "local")
        .map(({ key, weight, instances }) => [key, weight, instances]),
      [
        ["far", 100, 1],
        ["near", 0, 2],
      ],
    );
    await pause(12_000);
    assert.deepEqual(await spread(20), { near: 20, far: 0, new: 0 });
  });

  test("who goes leaves the registry at once, answers on, and is missed by nobody", async () => {
    const leaving = users.near.stop();
    await pause(300);
    assert.equal((await fetch(`${users.near.url}/readyz`)).status, 503);
    const listed = await fetch(`${operator.url}/operator/v1/services`, {
      headers: { authorization: `Bearer ${processes.operatorToken}` },
    });
    const { items } = (await listed.json()) as { items: { name: string }[] };
    assert.ok(!items.some(({ name }) => name === "users-near-stable"));
    assert.deepEqual(await ask(50), { 404: 50 });
    await leaving;
    assert.deepEqual(await ask(50), { 404: 50 });
  });

  test("with Redis gone the last known instances go on, and a dead one among them is found out", async () => {
    redis.kill("SIGKILL");
    await once(redis, "exit");
    await pause(1_500);
    assert.deepEqual(await ask(30), { 404: 30 });
    await users.far.kill();
    assert.deepEqual(await ask(30), { 404: 30 });
    await startRedis();
    await pause(3_000);
    assert.deepEqual(await ask(30), { 404: 30 });
  });
});

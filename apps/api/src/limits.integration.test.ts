// Limits on real processes: three of the api over one Postgres and one Redis, and that Redis killed in the middle.

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { freePort } from "@signalbox/core/testing/free-port";
import { type OwnRedis, startOwnRedis } from "@signalbox/core/testing/own-redis";
import { createTestDatabase, type TestDatabase } from "@signalbox/db/testing";

const instances = 3;
const rate = 20;
const burst = 120;
const token = `sbo_${randomBytes(32).toString("base64url")}`;

let database: TestDatabase;
let redis: OwnRedis;
let folder: string;
const processes: ChildProcess[] = [];
const gateways: string[] = [];
let operator = "";

before(async () => {
  [database, redis] = await Promise.all([createTestDatabase(), startOwnRedis({ keepsData: false })]);
  folder = mkdtempSync(join(tmpdir(), "signalbox-limits-"));
  const tokenFile = join(folder, "operator-token");
  writeFileSync(tokenFile, token, { mode: 0o600 });
  const secret = randomBytes(32).toString("base64url");
  for (let n = 0; n < instances; n++) {
    const [gateway, operators] = [await freePort(), await freePort()];
    mkdirSync(join(folder, `${n}`));
    processes.push(
      spawn(process.execPath, [join(import.meta.dirname, "main.ts")], {
        stdio: ["ignore", "ignore", "inherit"],
        env: {
          ...process.env,
          NODE_ENV: "production",
          LOG_LEVEL: "fatal",
          DATABASE_URL: database.url,
          REDIS_URL: redis.url,
          SIGNALBOX_SECRET: secret,
          SIGNALBOX_GATEWAY_PORT: `${gateway}`,
          SIGNALBOX_OPERATOR_PORT: `${operators}`,
          SIGNALBOX_OPERATOR_TOKEN_FILE: tokenFile,
          SIGNALBOX_DATA_DIR: join(folder, `${n}`),
        },
      }),
    );
    gateways.push(`http://127.0.0.1:${gateway}`);
    operator = `http://127.0.0.1:${operators}`;
  }
  await Promise.all(gateways.map((gateway) => until(async () => (await fetch(`${gateway}/readyz`)).ok)));
});

after(async () => {
  await Promise.all(
    processes.map(async (child) => {
      const gone = once(child, "exit");
      if (child.kill("SIGKILL")) await gone;
    }),
  );
  await redis?.end();
  await database?.drop();
  rmSync(folder, { recursive: true, force: true });
});

async function until(is: () => Promise<boolean>, limitMs = 20_000): Promise<void> {
  for (const end = Date.now() + limitMs; ; await pause(50)) {
    if (await is().catch(() => false)) return;
    if (Date.now() > end) throw new Error(`not within ${limitMs} ms`);
  }
}

async function setLimit(key: string, limit: object): Promise<void> {
  const answer = await fetch(`${operator}/operator/v1/limits/${key}`, {
    method: "PUT",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: JSON.stringify({ ...limit, reason: "a test" }),
  });
  assert.equal(answer.status, 200, await answer.clone().text());
  // Also while Redis is away: then the poll of Postgres brings it.
  await pause(3_500);
}

type Told = { status: number; rate: string | null; policy: string | null; retryAfter: string | null };

/** Calls in turn on all instances; what each was answered. */
async function call(count: number, headers: Record<string, string> = {}): Promise<Told[]> {
  const told: Told[] = [];
  let next = 0;
  const one = async () => {
    while (next < count) {
      const answer = await fetch(`${gateways[next++ % instances]}/v1/users/nobody_there`, { headers });
      await answer.text();
      const read = (name: string) => answer.headers.get(name);
      told.push({
        status: answer.status,
        rate: read("ratelimit"),
        policy: read("ratelimit-policy"),
        retryAfter: read("retry-after"),
      });
    }
  };
  await Promise.all(Array.from({ length: 12 }, one));
  return told;
}

const taken = (told: Told[]) => told.filter(({ status }) => status !== 429).length;
const allAnswered = (told: Told[]) => {
  const others = told.filter(({ status }) => ![404, 401, 429].includes(status));
  assert.deepEqual(others, [], "an answer that is neither the call's nor a refusal");
};

test("a flood of bad tokens is cut off at the edge, ten times sooner than good calls; health is never limited", async () => {
  // So slow that it stays empty, however long the flood takes.
  await setLimit("address", { rate: 1, burst: 300, perSeconds: 60 });
  const told = await call(200, {
    authorization: `Bearer ${"x".repeat(40)}.${"y".repeat(200)}.${"z".repeat(86)}`,
  });
  const looked = told.filter(({ status }) => status === 401).length;
  assert.ok(looked >= 20 && looked <= 75, `${looked} of 200 were looked at`);
  assert.equal(told.filter(({ status }) => status === 429).length, 200 - looked);
  for (const gateway of gateways)
    for (let n = 0; n < 20; n++) assert.equal((await fetch(`${gateway}/livez`)).status, 200);
  // What matches nothing counts as well.
  assert.equal((await fetch(`${gateways[0]}/nothing/here`)).status, 429);
});

test("three processes share one limit; killed, Redis takes nothing of it away; back, it counts for all again", async () => {
  await setLimit("address", { rate, burst, perSeconds: 1 });
  // It fills from nothing, after the flood.
  await pause(12_000);

  let began = performance.now();
  const together = await call(500);
  allAnswered(together);
  const most = burst + (rate * (performance.now() - began)) / 1_000;
  // At most a quarter of a burst beyond it: what the three let through before they first heard of each other.
  assert.ok(taken(together) <= most + burst / 4, `${taken(together)} of ${most.toFixed(0)}`);
  assert.ok(taken(together) >= burst * 0.9, `${taken(together)}`);
  const refused = together.find(({ status }) => status === 429)!;
  assert.match(refused.rate!, /^"address";r=0;t=\d+$/);
  assert.equal(refused.policy, '"address";q=120;w=6');
  assert.ok(Number(refused.retryAfter) >= 1);

  await pause(7_000);
  await redis.kill();
  began = performance.now();
  const alone = await call(500);
  allAnswered(alone);
  const divided = burst + (rate * (performance.now() - began)) / 1_000;
  assert.ok(taken(alone) <= divided * 1.1 + instances, `alone ${taken(alone)} of ${divided.toFixed(0)}`);
  assert.ok(taken(alone) >= burst * 0.6, `alone ${taken(alone)}: a lost Redis must not close the door`);

  await redis.start();
  await pause(4_000);
  began = performance.now();
  const again = await call(500);
  allAnswered(again);
  const after = burst + (rate * (performance.now() - began)) / 1_000;
  assert.ok(taken(again) <= after + burst / 4, `again ${taken(again)} of ${after.toFixed(0)}`);
});

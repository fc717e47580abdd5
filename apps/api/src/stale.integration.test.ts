// A switch that is off and answers from what is kept: over real processes, a gateway with a service behind it among them.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { connectDatabase, type Database } from "@signalbox/db";
import { createTestDatabase } from "@signalbox/db/testing";
import { createProcesses, type Processes, type Started } from "./testing/processes.ts";

let home: Awaited<ReturnType<typeof createTestDatabase>>;
let database: Database;
let processes: Processes;
let whole: Started;
let gateway: Started;

before(async () => {
  home = await createTestDatabase();
  database = connectDatabase(home.url, { name: "test", poolSize: 1 });
  processes = createProcesses({ databaseUrl: home.url, redisUrl: process.env.TEST_REDIS_URL! });
  [whole] = await Promise.all([
    processes.start({ SIGNALBOX_NAME: "whole" }),
    processes.start({
      ...{ SIGNALBOX_ROLE: "service", SIGNALBOX_SERVICES: "users", SIGNALBOX_NAME: "users" },
    }),
  ]);
  gateway = await processes.start({ SIGNALBOX_ROLE: "gateway", SIGNALBOX_NAME: "gateway" });
});
after(async () => {
  await processes?.close();
  await database?.close();
  await home?.drop();
});

async function operate(path: string, body: object): Promise<void> {
  const answer = await fetch(`${whole.operatorUrl}/operator/v1/${path}`, {
    method: "PUT",
    headers: { authorization: `Bearer ${processes.operatorToken}`, "content-type": "application/json" },
    body: JSON.stringify({ reason: "a test", ...body }),
  });
  assert.equal(answer.status, 200, await answer.clone().text());
}

async function read({ url }: Started, handle: string) {
  const answer = await fetch(`${url}/v1/users/${handle}`);
  const { displayName, detail } = (await answer.json()) as { displayName?: string; detail?: string };
  const { headers, status } = answer;
  const [degraded, kept, later] = ["degraded", "cache-status", "retry-after"].map((each) =>
    headers.get(each),
  );
  return { status, displayName, detail, degraded, kept, later };
}

type Answer = Awaited<ReturnType<typeof read>>;

async function until(what: string, from: Started, is: (answer: Answer) => boolean): Promise<Answer> {
  for (let left = 200; ; left -= 1) {
    const answer = await read(from, "ann_kept");
    if (is(answer)) return answer;
    assert.ok(left > 0, `${what}: ${JSON.stringify(answer)}`);
    await pause(50);
  }
}

test("what was read before is answered as it was, however old, and marked; the rest is refused with the message", async () => {
  await operate("caches/users", { l1Ms: 50, l2Ms: 300 });
  for (const handle of ["ann_kept", "bob_unread"]) {
    const registered = await fetch(`${whole.url}/v1/auth/register`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ handle, email: `${handle}@example.test`, password: "a phrase of this test" }),
    });
    assert.equal(registered.status, 201, await registered.clone().text());
  }
  const both = [whole, gateway];
  const name = (await read(whole, "ann_kept")).displayName;
  for (const each of both) {
    const { status, displayName, degraded } = await read(each, "ann_kept");
    assert.deepEqual([status, displayName, degraded], [200, name, null]);
  }

  const key = "switches/users.profile.read";
  await operate(key, { state: "off", instead: "stale", message: "Back soon." });
  for (const each of both) await until("it is off", each, ({ degraded }) => degraded === "stale");
  // By hand, so that no cache hears of it: whoever asks the database from now on reads another name.
  await database.sql`update users set display_name = 'another'`;
  for (const each of both)
    await until("its time to live is over", each, ({ kept }) => kept?.includes("ttl=-") === true);
  for (let round = 0; round < 5; round += 1)
    for (const each of both) {
      const { status, displayName, degraded } = await read(each, "ann_kept");
      assert.deepEqual([status, displayName, degraded], [200, name, "stale"]);
    }
  for (const each of both) {
    const { status, detail, later } = await read(each, "bob_unread");
    assert.deepEqual([status, detail], [503, "Back soon."]);
    assert.ok(Number(later) >= 1);
  }

  await operate(key, { state: "on" });
  for (const each of both) {
    const now = await until(
      "the database is asked again",
      each,
      ({ displayName }) => displayName === "another",
    );
    assert.deepEqual([now.status, now.degraded], [200, null]);
  }
});

// Reads from a copy of the database, on a whole install and a standby that streams from it.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { freePort } from "@signalbox/core/testing/free-port";
import { eventually as eventuallyWithin, freePortBase } from "./testing/harness.ts";
import { startInstallForTest, type TestInstall } from "./testing/install.ts";
import { createPeople, type People } from "./testing/people.ts";
import { makeStandby, type Standby } from "./testing/standby.ts";

const eventually = (holds: () => boolean | Promise<boolean>, what: string) =>
  eventuallyWithin(holds, what, 60_000);

let install: TestInstall;
let standby: Standby;
let people: People;
let author: { handle: string; token: string };
let other: { handle: string; token: string };
let count = 0;

before(async () => {
  const port = await freePort();
  install = await startInstallForTest({
    portBase: await freePortBase(),
    env: { DATABASE_REPLICA_URLS: `postgres://signalbox@127.0.0.1:${port}/signalbox` },
  });
  people = createPeople(install.runFile().api);
  author = await people.register("author");
  other = await people.register("other");
  standby = await makeStandby(install, port);
  await standby.start();
  const set = await fetch(`${install.runFile().operator}/operator/v1/numbers/database.replicaLagMs`, {
    method: "PUT",
    headers: { authorization: `Bearer ${install.operatorToken}`, "content-type": "application/json" },
    body: JSON.stringify({ value: 3_000, reason: "a slow machine" }),
  });
  assert.equal(set.status, 200, await set.text());
});
after(async () => {
  await standby?.stop();
  await install?.stop();
});

const write = async (text: string): Promise<void> =>
  assert.equal((await people.call("POST", "/v1/posts", author.token, { text })).status, 201);

async function read(token: string): Promise<string[]> {
  const { status, body } = await people.call("GET", `/v1/users/${author.handle}/posts?limit=100`, token);
  assert.equal(status, 200, JSON.stringify(body));
  return body.items.map(({ text }: { text: string }) => text);
}

async function metric(name: string): Promise<number | undefined> {
  const text = await (await fetch(`${install.runFile().operator}/metrics`)).text();
  const line = text.split("\n").find((line) => line.startsWith(name));
  return line === undefined ? undefined : Number(line.split(" ").at(-1));
}

const fromCopy = async () =>
  (await metric('signalbox_replica_reads_total{read="feed.posts",from="replica-1"}')) ?? 0;

/** Others read from the copy again. */
const untilRead = () =>
  eventually(async () => {
    const before = await fromCopy();
    await read(other.token);
    return (await fromCopy()) > before;
  }, "a read from the copy");

test("who wrote reads it at once, from the primary, while others read the older copy; once the copy has it, both do from there", async () => {
  let wasOlder = false;
  for (let tries = 0; tries < 5 && !wasOlder; tries += 1) {
    await untilRead();
    await standby.sql`select pg_wal_replay_pause()`;
    const text = `written ${++count}`;
    await write(text);
    const others = await read(other.token);
    assert.equal((await read(author.token))[0], text, "the author lacks his own post");
    wasOlder = others[0] !== text;
    assert.equal((await read(author.token))[0], text, "the author lacks his own post");
    await standby.sql`select pg_wal_replay_resume()`;
  }
  assert.ok(wasOlder, "nobody read from the copy while it stood still");
  await eventually(async () => {
    const before = await fromCopy();
    assert.equal((await read(author.token))[0], `written ${count}`, "the author lacks his own post");
    return (await fromCopy()) > before;
  }, "the author reads from the copy again");
});

test("what he wrote through one process he reads through another, which knows it from Redis", async () => {
  await untilRead();
  await standby.sql`select pg_wal_replay_pause()`;
  const text = `written ${++count}`;
  await write(text);
  process.kill(install.pid("api"), "SIGKILL");
  const isThere = () =>
    read(author.token).then(
      () => true,
      () => false,
    );
  await eventually(async () => !(await isThere()), "it is gone");
  await eventually(isThere, "another one answers");
  // Whether or not others are given the older copy by it: he is not.
  for (const end = performance.now() + 3_000; performance.now() < end; await pause(20)) {
    assert.equal((await read(author.token))[0], text, "the author lacks his own post");
    if ((await read(other.token))[0] !== text) break;
  }
  assert.equal((await read(author.token))[0], text, "the author lacks his own post");
  await standby.sql`select pg_wal_replay_resume()`;
});

test("a copy that is too far behind is not read from, and its lag can be seen", async () => {
  await untilRead();
  await standby.sql`select pg_wal_replay_pause()`;
  const text = `written ${++count}`;
  await write(text);
  await eventually(async () => (await read(other.token))[0] === text, "others read from the primary");
  assert.ok(((await metric("signalbox_replica_lag_seconds")) ?? 0) > 1);
  await standby.sql`select pg_wal_replay_resume()`;
  await untilRead();
});

for (const [how, away, back] of [
  ["is killed", () => standby.signal("SIGKILL"), () => standby.start()],
  ["hangs", () => standby.signal("SIGSTOP"), async () => standby.signal("SIGCONT")],
] as const)
  test(`a copy that ${how} costs no read`, async (t) => {
    await untilRead();
    const slowest: number[] = [];
    let isGoing = true;
    const reading = Array.from({ length: 4 }, async (_, n) => {
      while (isGoing) {
        const from = performance.now();
        await read(n % 2 === 0 ? other.token : author.token);
        slowest.push(performance.now() - from);
        await pause(10);
      }
    });
    await pause(300);
    away();
    const text = `written ${++count}`;
    await write(text);
    assert.equal((await read(author.token))[0], text);
    await eventually(async () => (await metric("signalbox_replica_up")) === 0, "its state is seen");
    assert.equal((await read(other.token))[0], text);
    isGoing = false;
    await Promise.all(reading);
    t.diagnostic(`${slowest.length} reads, the slowest took ${Math.round(Math.max(...slowest))} ms`);
    await back();
    await untilRead();
  });

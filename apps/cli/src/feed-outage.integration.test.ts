// Feeds and posts of a whole install while Postgres or Redis hangs: the parts of docs/degradation.md that are about them.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import postgres from "postgres";
import { familyOf, signalAll } from "./testing/family.ts";
import { eventually, freePortBase } from "./testing/harness.ts";
import { startInstallForTest, type TestInstall } from "./testing/install.ts";
import { type Answer, createPeople, type People } from "./testing/people.ts";

let install: TestInstall;
let people: People;
let author: { handle: string; token: string };
const readers: { handle: string; token: string }[] = [];
const posts: string[] = [];

before(async () => {
  install = await startInstallForTest({ portBase: await freePortBase() });
  people = createPeople(install.runFile().api);
  author = await people.register("author");
  for (let n = 0; n < 8; n += 1) readers.push(await people.register("reader"));
  for (const { token } of readers) await people.call("PUT", `/v1/users/${author.handle}/follow`, token);
  for (let n = 0; n < 12; n += 1) {
    const { body } = await people.call("POST", "/v1/posts", author.token, { text: `post ${n}` });
    posts.unshift(body.id);
  }
  // Read until each has it all from a list of his own.
  for (const { token } of readers)
    await eventually(async () => idsOf(await feed(token)).length === posts.length, "a whole feed");
  await pause(1_000);
});
after(() => install?.stop());

const feed = (token: string) => people.call("GET", "/v1/feed?limit=100", token);
const idsOf = ({ body }: Answer): string[] => body.items.map(({ id }: { id: string }) => id);
const isStale = ({ headers }: Answer) => /; ttl=-\d+$/.test(headers.get("cache-status") ?? "");

async function whileHanging(name: string, work: () => Promise<void>): Promise<void> {
  const pids = familyOf(install.pid(name));
  signalAll(pids, "SIGSTOP");
  try {
    await work();
  } finally {
    signalAll(pids, "SIGCONT");
  }
}

async function setTtl(prefix: string, l2Ms: number): Promise<void> {
  const answer = await fetch(`${install.runFile().operator}/operator/v1/caches/${prefix}`, {
    method: "PUT",
    headers: { authorization: `Bearer ${install.operatorToken}`, "content-type": "application/json" },
    body: JSON.stringify({ l2Ms, reason: "a test of outages" }),
  });
  assert.equal(answer.status, 200, await answer.text());
}

test("without Postgres feeds and posts come from the cache, marked once they are stale, and what is new is refused", async () => {
  for (const prefix of ["feed", "users"]) await setTtl(prefix, 1_500);
  const [reader] = readers;
  const onePost = () => people.call("GET", `/v1/posts/${posts[0]}`, reader!.token);
  // Filled under the new time to live.
  await pause(2_000);
  assert.deepEqual(idsOf(await feed(reader!.token)), posts);
  assert.equal((await onePost()).status, 200);
  await whileHanging("postgres", async () => {
    await pause(1_600);
    for (const read of [() => feed(reader!.token), onePost]) {
      const answer = await read();
      assert.equal(answer.status, 200, JSON.stringify(answer.body));
      assert.ok(isStale(answer), `not marked: ${answer.headers.get("cache-status")}`);
    }
    assert.deepEqual(idsOf(await feed(reader!.token)), posts);
    const { status, body } = await people.call("POST", "/v1/posts", author.token, { text: "not now" });
    assert.deepEqual([status, body.code], [503, "unavailable"]);
    assert.deepEqual(idsOf(await feed(reader!.token)), posts);
  });
  await eventually(async () => {
    const answer = await feed(reader!.token).catch(() => undefined);
    return answer?.status === 200 && !isStale(answer) && idsOf(answer).length === posts.length;
  }, "fresh again");
});

test("without Redis feeds are read from Postgres, whole, and the database is asked by no more than the pool's connections", async (t) => {
  for (const prefix of ["feed", "users"]) await setTtl(prefix, 3_600_000);
  const sql = postgres(install.runFile().postgres, { max: 1 });
  const most = 2 * 10 + 1;
  try {
    await whileHanging("redis", async () => {
      const statuses: Record<number, number> = {};
      let isGoing = true;
      let busiest = 0;
      const watching = (async () => {
        while (isGoing) {
          const [row] = await sql<{ busy: number }[]>`
            select count(*)::int as busy from pg_stat_activity
            where application_name like 'signalbox api%' and backend_type = 'client backend'`;
          busiest = Math.max(busiest, row!.busy);
          await pause(50);
        }
      })();
      const reading = readers.flatMap(({ token }) =>
        [0, 1].map(async () => {
          for (const end = performance.now() + 3_000; performance.now() < end; await pause(20)) {
            const answer = await feed(token);
            statuses[answer.status] = (statuses[answer.status] ?? 0) + 1;
            if (answer.status === 200) assert.deepEqual(idsOf(answer), posts);
            // More than there is room for is told so, and when to come again.
            else assert.ok([429, 503].includes(answer.status) && answer.headers.get("retry-after"));
          }
        }),
      );
      await Promise.all(reading);
      isGoing = false;
      await watching;
      t.diagnostic(`${JSON.stringify(statuses)}, at most ${busiest} connections`);
      assert.ok((statuses[200] ?? 0) >= readers.length, JSON.stringify(statuses));
      assert.ok(busiest <= most, `${busiest} connections`);
    });
  } finally {
    await sql.end();
  }
  await eventually(async () => idsOf(await feed(readers[0]!.token)).length === posts.length, "well again");
});

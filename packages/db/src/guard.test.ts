import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { createBreaker, type Forced } from "@signalbox/core/resilience/breaker";
import { Deadline, withDeadline } from "@signalbox/core/resilience/deadline";
import { sql as text } from "drizzle-orm";
import { connectDatabase, type Database } from "./client.ts";
import { createTestDatabase, type TestDatabase } from "./testing.ts";

let home: TestDatabase;
let database: Database;
let other: Database;
let word: Forced;
const breaker = createBreaker({ name: "postgres", title: "the database", minCalls: 5, forced: () => word });

before(async () => {
  home = await createTestDatabase();
  database = connectDatabase(home.url, { name: "guarded", poolSize: 2, breaker });
  other = connectDatabase(home.url, { name: "other", poolSize: 1 });
});
after(async () => {
  await database.close();
  await other.close();
  await home.drop();
});

const sleeping = async () =>
  (
    await other.sql`select 1 from pg_stat_activity where application_name = 'guarded' and state = 'active'
    and query like '%pg_sleep%'`
  ).length;

async function untilSleeping(count: number) {
  for (const end = performance.now() + 5_000; performance.now() < end; await pause(10))
    if ((await sleeping()) === count) return;
  assert.fail(`not ${count} statements in pg_sleep within 5 s`);
}

// A statement begins where it is awaited, so these wait by themselves.
const clients: Record<string, (seconds: number) => Promise<unknown>> = {
  "plain postgres.js": async (seconds) => await database.sql`select pg_sleep(${seconds})`,
  Drizzle: async (seconds) => await database.db.execute(text`select pg_sleep(${seconds})`),
  "a transaction": (seconds) => database.sql.begin((sql) => sql`select pg_sleep(${seconds})`),
  "a transaction of Drizzle": (seconds) =>
    database.db.transaction((db) => db.execute(text`select pg_sleep(${seconds})`)),
};

/** Drizzle wraps what was thrown. */
const codeOf = (error: unknown): unknown => {
  for (let at = error; at instanceof Error; at = at.cause)
    if ("code" in at && at.name === "AppError") return at.code;
  return error;
};

for (const [name, sleep] of Object.entries(clients)) {
  test(`${name}: a statement ends with its call, in the server too`, async () => {
    const began = performance.now();
    await assert.rejects(
      withDeadline(new Deadline(100), () => sleep(20)),
      (error) => {
        assert.equal(codeOf(error), "deadline");
        return true;
      },
    );
    assert.ok(performance.now() - began < 1_000);
    await untilSleeping(0);
    assert.equal(database.pool().inUse, 0);
  });

  test(`${name}: a caller who leaves ends a statement`, async () => {
    const peer = { destroyed: false };
    const asked = withDeadline(new Deadline(20_000, peer), () => sleep(20));
    const ended = assert.rejects(asked, (error) => codeOf(error) === "cancelled");
    await untilSleeping(1);
    peer.destroyed = true;
    await ended;
    await untilSleeping(0);
  });
}

test("what waits for a connection ends with its call, and the others are not disturbed", async () => {
  const slow = Array.from({ length: 4 }, () => clients["plain postgres.js"]!(0.4));
  await pause(50);
  assert.deepEqual(database.pool(), { size: 4, inUse: 2, waiting: 2 });
  await assert.rejects(
    withDeadline(new Deadline(50), async () => await database.sql`select 1`),
    { code: "deadline" },
  );
  await Promise.all(slow);
  assert.equal((await database.sql`select 1 as one`)[0]?.one, 1);
});

test("what is read for everyone does not end with the call that asked first", async () => {
  const rows = await withDeadline(
    new Deadline(30),
    async () => await database.shared.sql`select pg_sleep(0.2), 1 as one`,
  );
  assert.equal(rows[0]?.one, 1);
});

test("what is read in parts is left to its reader, and counts for nothing once it is read", async () => {
  let count = 0;
  for await (const rows of database.sql`select n from generate_series(1, 50) n`.cursor(10)) {
    count += rows.length;
    await pause(5);
  }
  assert.equal(count, 50);
  assert.equal(database.pool().inUse, 0);
});

test("fragments, lists, JSON and nested transactions still work", async () => {
  const { sql } = database;
  const found =
    await sql`select ${sql`1 + ${2}::int`} as three, ${sql.json({ a: 1 })}::jsonb as json, ${["x", "y"]}::text[] as list`;
  assert.deepEqual([...found], [{ three: 3, json: { a: 1 }, list: ["x", "y"] }]);
  await sql`create table guard_test (n int)`;
  await withDeadline(new Deadline(5_000), () =>
    sql.begin(async (sql) => {
      await sql`insert into guard_test ${sql([{ n: 1 }, { n: 2 }])}`;
      await sql
        .savepoint(async (sql) => {
          await sql`insert into guard_test values (3)`;
          throw new Error("taken back");
        })
        .catch(() => {});
    }),
  );
  assert.deepEqual([...(await sql`select n from guard_test order by n`)], [{ n: 1 }, { n: 2 }]);
});

test("an operator's word stops calls, and nothing that is no call", async () => {
  word = "open";
  const ask = async () => await database.sql`select 1 as one`;
  await assert.rejects(withDeadline(new Deadline(1_000), ask), { code: "unavailable" });
  assert.equal((await ask())[0]?.one, 1);
  word = undefined;
  assert.equal((await withDeadline(new Deadline(1_000), ask))[0]?.one, 1);
});

test("errors of a statement do not open the breaker", async () => {
  for (let n = 0; n < 20; n++)
    await assert.rejects(
      withDeadline(new Deadline(1_000), async () => await database.sql`select 1 / 0`),
      { code: "22012" },
    );
  assert.equal(breaker.state, "closed");
});

test("a database that answers nothing hangs; one that answers something is only slow", async () => {
  const ask = (work: () => Promise<unknown>) => withDeadline(new Deadline(5_000), work);
  await ask(async () => await database.sql`select 1`);
  const both = Promise.all([1, 2].map(() => ask(() => clients["plain postgres.js"]!(1.5))));
  assert.equal(database.hangs(), false);
  await pause(600);
  assert.equal(database.hangs(), true);
  await both;
  assert.equal(database.hangs(), false);
  const slow = ask(() => clients["plain postgres.js"]!(1.5));
  await pause(600);
  await ask(async () => await database.sql`select 1`);
  assert.equal(database.hangs(), false);
  await slow;
});

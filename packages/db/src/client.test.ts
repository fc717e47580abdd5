import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { connectDatabase, type Database } from "./client.ts";
import { isDatabaseAway } from "./faults.ts";
import { eq, sql } from "./query.ts";
import { users } from "./schema/index.ts";
import { createTestDatabase, type TestDatabase } from "./testing.ts";

let home: TestDatabase;
let database: Database;
let other: Database;

before(async () => {
  home = await createTestDatabase();
  database = connectDatabase(home.url, { name: "victim", poolSize: 1 });
  other = connectDatabase(home.url, { name: "other", poolSize: 1 });
});
after(async () => {
  await database.close();
  await other.close();
  await home.drop();
});

test("a connection that died in the middle of a query does not answer the next one with its old error", async () => {
  for (const client of [database.sql, database.watch]) {
    const [{ pid } = { pid: 0 }] = await client<{ pid: number }[]>`select pg_backend_pid() as pid`;
    const dying = client`select pg_sleep(30)`.then(
      () => undefined,
      (error) => error,
    );
    while (
      !(await other.sql`select 1 from pg_stat_activity where pid = ${pid} and query like '%pg_sleep%'`).length
    );
    await other.sql`select pg_terminate_backend(${pid})`;
    assert.ok(isDatabaseAway(await dying));
    assert.deepEqual([...(await client`select 1 as one`)], [{ one: 1 }]);
  }
});

test("a statement that Drizzle asks again is kept by its connection, also in a transaction, and takes its values as before", async () => {
  const { db } = database;
  const id = "0190a000-0000-7000-8000-000000000001";
  const find = (from: Pick<typeof db, "select">) => from.select().from(users).where(eq(users.id, id));
  const kept = async () => {
    const rows = await db.execute<{ statement: string }>(sql`select statement from pg_prepared_statements`);
    return rows.filter(({ statement }) => statement.includes(`from "users"`)).length;
  };
  assert.deepEqual(await find(db), []);
  assert.equal(await kept(), 1);
  const links = ["https://example.test/"];
  const createdAt = new Date("2026-01-02T03:04:05.678Z");
  await db.transaction(async (tx) => {
    await tx.insert(users).values({ id, handle: "ann", displayName: "Ann", links, createdAt });
    const [[inside], [again]] = await Promise.all([find(tx), tx.transaction((inner) => find(inner))]);
    assert.deepEqual(inside, again);
  });
  const [row] = await find(db);
  assert.deepEqual([row?.links, row?.createdAt, row?.region], [links, createdAt, null]);
  assert.equal(await kept(), 1);
  await assert.rejects(
    db.transaction((tx) =>
      Promise.all([tx.delete(users).where(eq(users.id, id)), tx.execute(sql`select 1/0`)]),
    ),
  );
  assert.equal((await find(db)).length, 1);
});

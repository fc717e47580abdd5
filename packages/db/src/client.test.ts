import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { connectDatabase, type Database } from "./client.ts";
import { isDatabaseAway } from "./faults.ts";
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

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import postgres from "postgres";
import { migrate } from "./migrate.ts";
import { createSchemaCheck } from "./schema-state.ts";
import { createEmptyTestDatabase } from "./testing.ts";

let database: Awaited<ReturnType<typeof createEmptyTestDatabase>>;
let sql: postgres.Sql;

before(async () => {
  database = await createEmptyTestDatabase();
  sql = postgres(database.url, { max: 1, onnotice: () => {} });
});
after(async () => {
  await sql?.end({ timeout: 1 });
  await database?.drop();
});

test("a schema is behind until its migrations have run, and ahead of a release that does not know the newest", async () => {
  const check = createSchemaCheck(sql);
  assert.equal((await check()).reason, "schema_behind");
  await migrate(database.url);
  assert.deepEqual(await check(), { status: "pass" });

  await sql`insert into drizzle.__drizzle_migrations (hash, created_at) values ('of the next release', 9999999999999)`;
  const ahead = await createSchemaCheck(sql)();
  assert.equal(ahead.status, "warn", "a release stays ready while the next one's migrations run");
  assert.equal(ahead.reason, "schema_ahead");

  await sql`delete from drizzle.__drizzle_migrations
    where created_at in (select created_at from drizzle.__drizzle_migrations order by created_at desc limit 2)`;
  assert.equal((await createSchemaCheck(sql)()).status, "fail");
});

test("whether the database answers is not the schema's word", async () => {
  const away = postgres("postgres://nobody@127.0.0.1:1/none", { max: 1, connect_timeout: 1 });
  assert.equal((await createSchemaCheck(away)()).status, "pass");
  await away.end({ timeout: 0 });
});

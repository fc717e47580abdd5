// What a caller is told of a database that went away: whether anything was changed, where that is known.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { connectDatabase, type Database } from "./client.ts";
import { nameDatabaseFault } from "./faults.ts";
import { createTestDatabase, type TestDatabase } from "./testing.ts";

let home: TestDatabase;
let database: Database;
let other: Database;
before(async () => {
  home = await createTestDatabase();
  database = connectDatabase(home.url, { name: "lost", poolSize: 1 });
  other = connectDatabase(home.url, { name: "other", poolSize: 1 });
});
after(async () => {
  await Promise.all([database.close(), other.close()]);
  await home.drop();
});

test("a commit whose answer is lost may have been made, and nobody says otherwise", async () => {
  await other.sql.unsafe(`
    create table lost (id int);
    create function wait_here() returns trigger language plpgsql as $$ begin perform pg_sleep(30); return null; end $$;
    create constraint trigger at_commit after insert on lost deferrable initially deferred
      for each row execute function wait_here()`);
  const written = database.sql.begin((sql) => sql`insert into lost values (1)`);
  const ended = assert.rejects(written, (error) => {
    const named = nameDatabaseFault(error);
    assert.equal(named?.code, "unavailable");
    assert.match(named.message, /may have been made/);
    return true;
  });
  for (let left = 400; ; left -= 1) {
    const [gone] = await other.sql`
      select pg_terminate_backend(pid) from pg_stat_activity
      where application_name = 'lost' and wait_event = 'PgSleep' and datname = current_database()`;
    if (gone) break;
    assert.ok(left > 0, "the commit does not wait");
    await pause(25);
  }
  await ended;
});

test("what never reached the database changed nothing", async () => {
  const url = new URL(home.url);
  url.port = "1";
  const nowhere = connectDatabase(url.href, { name: "nowhere", poolSize: 1 });
  await assert.rejects(
    async () => await nowhere.sql`select 1`,
    (error) => /nothing was changed/.test(nameDatabaseFault(error)?.message ?? ""),
  );
  await nowhere.close();
});

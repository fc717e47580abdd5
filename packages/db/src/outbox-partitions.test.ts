import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, test } from "node:test";
import { connectDatabase, type Database } from "./client.ts";
import { maintainOutbox } from "./outbox-partitions.ts";
import { createTestDatabase, type TestDatabase } from "./testing.ts";

let database: TestDatabase;
let db: Database;
before(async () => {
  database = await createTestDatabase();
  db = connectDatabase(database.url, { name: "test", poolSize: 10 });
});
after(async () => {
  await db.close();
  await database.drop();
});

test("a day that is given its partition while events of it are written refuses none of them", async () => {
  const { sql } = db;
  const today = `outbox_${new Date().toISOString().slice(0, 10).replaceAll("-", "")}`;
  let written = 0;
  let isDone = false;
  const write = async () => {
    while (!isDone) {
      await sql`
        insert into outbox (id, key, topic, version, payload, request_id)
        values (${randomUUID()}, ${randomUUID()}, 'test', 1, '{}', 'test')`;
      written += 1;
    }
  };
  const writers = Promise.all(Array.from({ length: 6 }, write));
  try {
    for (let round = 0; round < 30; round += 1) {
      const done = await maintainOutbox(sql);
      assert.ok(done?.created.includes(new Date().toISOString().slice(0, 10)));
      // As on an install that was not looked after for days.
      await sql.begin((sql) =>
        sql.unsafe(`
          lock table only outbox in access exclusive mode; alter table outbox detach partition ${today};
          insert into outbox select * from ${today}; drop table ${today}`),
      );
    }
  } finally {
    isDone = true;
  }
  await writers;
  const [row] = await sql`select count(*)::int as count from outbox`;
  assert.ok(written > 0);
  assert.equal(row!.count, written);
});

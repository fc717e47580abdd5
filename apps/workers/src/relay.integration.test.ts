// The relay on a real database and a real Redis: from an outbox row to a handled event, through every loss we know.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { collect, makeUsers, until } from "@signalbox/core/bus/contract";
import { decodeEvent } from "@signalbox/core/bus/envelope";
import { busKeys, defaultPartitions } from "@signalbox/core/bus/keys";
import { partitionOf } from "@signalbox/core/bus/partition";
import { createRedisBus } from "@signalbox/core/bus/redis-bus";
import { trimStreams } from "@signalbox/core/bus/trim";
import { newId } from "@signalbox/core/ids";
import { createLogger } from "@signalbox/core/log";
import { connectRedis, type Redis } from "@signalbox/core/redis";
import { connectDatabase, type Database } from "@signalbox/db";
import { createBusStore } from "@signalbox/db/bus-store";
import { maintainOutbox } from "@signalbox/db/outbox-partitions";
import { createTestDatabase, type TestDatabase } from "@signalbox/db/testing";
import { type Relay, startRelay } from "./relay-loop.ts";
import { slotName } from "./relay-slot.ts";

const redisUrl = process.env.TEST_REDIS_URL!;
const prefix = `test-${newId()}`;
const keys = busKeys(prefix);
const log = createLogger({ name: "test", level: process.env.TEST_LOG_LEVEL || "silent" });
let database: TestDatabase;
let db: Database;
let redis: Redis;
let relay: Relay;

before(async () => {
  database = await createTestDatabase();
  db = connectDatabase(database.url, { name: "test", poolSize: 4 });
  redis = connectRedis(redisUrl);
  relay = start();
  await active(relay);
});

after(async () => {
  await relay.close();
  await forget();
  redis.disconnect();
  await db.close();
  await database.drop();
});

const start = () => startRelay({ databaseUrl: database.url, redisUrl, log, prefix });
const active = (which: Relay) => until(() => which.status().state === "active");
const slot = () => slotName(new URL(database.url).pathname.slice(1));

async function write(users: string[], count: number, topic = "test.happened"): Promise<string[]> {
  const written: string[] = [];
  for (let n = 0; n < count; n++) {
    const id = newId();
    written.push(id);
    await db.sql`
      insert into outbox (id, key, topic, version, payload, request_id)
      values (${id}, ${users[n % users.length]!}, ${topic}, 1, ${db.sql.json({ n })}, 'request')`;
  }
  return written;
}

/** Everything in the streams now, in order within each. */
async function published(): Promise<string[]> {
  const ids: string[] = [];
  for (const epoch of await redis.lrange(keys.epochs, 0, -1))
    for (let partition = 0; partition < defaultPartitions; partition++)
      for (const [, [, text = ""]] of await redis.xrange(keys.stream(partition, epoch), "-", "+"))
        ids.push(decodeEvent(text).id);
  return ids;
}

const hasAll = async (wanted: string[]) => {
  const found = new Set(await published());
  return wanted.every((id) => found.has(id));
};

/** As FLUSHALL, for the keys of this test alone: all of them in one moment, or the relay would write between two of them. */
async function forget(): Promise<void> {
  const script = "for _, key in ipairs(redis.call('keys', ARGV[1])) do redis.call('del', key) end";
  await redis.eval(script, 0, `${prefix}:*`);
}

async function confirmed(): Promise<string> {
  const [row] =
    await db.sql`select confirmed_flush_lsn::text as lsn from pg_replication_slots where slot_name = ${slot()}`;
  return row!.lsn;
}

/** A consumer for the length of one test. */
async function consuming(group: string, work: (seen: ReturnType<typeof collect>) => Promise<void>) {
  const bus = createRedisBus({ url: redisUrl, log, prefix, store: createBusStore(db.sql) });
  const seen = collect();
  bus.consume(group, seen.handler);
  try {
    await until(() => bus.held()[group]?.length === defaultPartitions);
    await work(seen);
  } finally {
    await bus.close();
  }
}

test("what is committed arrives once, in order, soon; what is rolled back never does", async () => {
  await consuming("arrives", async (seen) => {
    const users = makeUsers(10);
    const never = newId();
    await assert.rejects(
      db.sql.begin(async (transaction) => {
        await transaction`
          insert into outbox (id, key, topic, version, payload, request_id)
          values (${never}, ${users[0]!}, 'test.happened', 1, '{}', 'request')`;
        throw new Error("rolled back");
      }),
    );
    const written = await write(users, 100);
    await until(() => seen.events.filter(({ id }) => written.includes(id)).length >= 100);
    for (const user of users) {
      const ofUser = seen.events.filter(({ key }) => key === user).map(({ id }) => id);
      assert.deepEqual(
        ofUser,
        written.filter((id) => ofUser.includes(id)),
      );
    }
    assert.ok(!seen.events.some(({ id }) => id === never));
    const [last] = await write(users, 1);
    // A server that does not wait for its disk tells of a commit up to half a second later; `bench events` measures one that does.
    await until(() => seen.events.some(({ id }) => id === last), 5_000);
  });
});

test("what nobody can read yet is not published, although the log has it", async (t) => {
  const [usual] = await db.sql`show synchronous_commit`;
  if (usual!.synchronous_commit !== "off")
    return t.skip("every session of this server would wait with the one of the test");
  const setStandby = async (name: string) => {
    await db.sql.unsafe(`alter system set synchronous_standby_names = '${name}'`);
    await db.sql`select pg_reload_conf()`;
    await until(
      async () => (await db.sql`show synchronous_standby_names`)[0]!.synchronous_standby_names === name,
    );
  };
  const id = newId();
  // A standby that never answers holds a commit between the log and the eyes of others.
  await setStandby("nobody");
  let written: Promise<unknown>;
  try {
    written = db.sql.begin(async (sql) => {
      await sql`set local synchronous_commit = on`;
      await sql`
        insert into outbox (id, key, topic, version, payload, request_id)
        values (${id}, ${newId()}, 'test.happened', 1, '{}', 'request')`;
    });
    await until(async () => {
      const [row] =
        await db.sql`select count(*)::int as waiting from pg_stat_activity where wait_event = 'SyncRep'`;
      return row!.waiting === 1;
    });
    const [later] = await write(makeUsers(1), 1);
    await until(async () => relay.status().secondsBehind > 0.3);
    const found = await published();
    assert.equal(found.includes(id), false);
    assert.equal(found.includes(later!), false, "what was committed later does not overtake it");
  } finally {
    await setStandby("");
  }
  await written;
  await until(() => hasAll([id]));
});

test("a relay that starts again publishes nothing twice", async () => {
  const users = makeUsers(4);
  const before = await write(users, 20);
  await until(() => hasAll(before));
  // Nothing is confirmed for what comes now, so the next relay reads it again.
  await relay.close();
  await db.sql`update relay_progress set last_id = '0-0', safe_at = null where stream not like 'slot:%'`;
  relay = start();
  await active(relay);
  const later = await write(users, 20);
  await until(() => hasAll(later));
  const all = await published();
  assert.equal(new Set(all).size, all.length);
});

test("the position moves on while nothing is written, so that the log does not pile up", async () => {
  const at = await confirmed();
  await db.sql`create table filler as select generate_series(1, 1000)`;
  await until(async () => (await confirmed()) !== at);
  await until(() => relay.status().bytesBehind < 100_000);
});

test("one relay works at a time; another takes over within seconds", async () => {
  const second = start();
  await until(() => second.status().state === "standby");
  const left = performance.now();
  await relay.close();
  relay = second;
  await active(second);
  assert.ok(performance.now() - left < 3_000);
  const written = await write(makeUsers(3), 9);
  await until(() => hasAll(written));
});

test("a Redis that forgot everything is filled again, and consumers miss nothing", async () => {
  await consuming("forgot", async (seen) => {
    const users = makeUsers(6);
    const early = await write(users, 30);
    await until(() => early.every((id) => seen.events.some((event) => event.id === id)));
    const writing = write(users, 200);
    await forget();
    const late = await writing;
    await until(() => late.every((id) => seen.events.some((event) => event.id === id)));
    for (const user of users) {
      const first = [...new Set(seen.events.filter(({ key }) => key === user).map(({ id }) => id))];
      const wanted = [...early, ...late].filter((id) => first.includes(id));
      assert.deepEqual(
        first.filter((id) => wanted.includes(id)),
        wanted,
      );
    }
  });
});

test("a Redis that lost its last second gets it again, and nothing else", async () => {
  const users = makeUsers(8);
  const kept = await write(users, 40);
  await until(() => hasAll(kept));
  const marker = await write(users, 40);
  await until(() => hasAll(marker));
  const lost = await write(users, 40);
  await until(() => hasAll(lost));
  const [epoch] = await redis.lrange(keys.epochs, -1, -1);
  const total = (await published()).length;
  for (let partition = 0; partition < defaultPartitions; partition++) {
    const stream = keys.stream(partition, epoch!);
    const entries = await redis.xrange(stream, "-", "+");
    const gone = entries.filter(([, [, text = ""]]) => lost.includes(decodeEvent(text).id));
    if (gone.length === 0) continue;
    const keep = entries[entries.length - gone.length - 1]![0];
    await redis
      .multi()
      .xdel(stream, ...gone.map(([id]) => id))
      .call("XSETID", stream, keep)
      .exec();
  }
  await until(() => hasAll(lost));
  const all = await published();
  assert.equal(all.length, total);
  assert.equal(new Set(all).size, total);
});

test("a sweep of many pages keeps the order of writing and gives each row once", async () => {
  await relay.close();
  await db.sql`select pg_drop_replication_slot(${slot()})`;
  const [user] = makeUsers(1);
  await db.sql`
    insert into outbox (id, key, topic, version, payload, request_id)
    select gen_random_uuid(), ${user!}, 'test.happened', 1, jsonb_build_object('n', n), 'request'
    from generate_series(1, 2500) as n`;
  relay = start();
  await active(relay);
  const numbers: number[] = [];
  for (const epoch of await redis.lrange(keys.epochs, 0, -1))
    for (const [, [, text = ""]] of await redis.xrange(keys.stream(partitionOf(user!, 8), epoch), "-", "+")) {
      const { key, payload } = decodeEvent(text);
      if (key === user) numbers.push((payload as { n: number }).n);
    }
  assert.deepEqual(
    numbers,
    Array.from({ length: 2500 }, (_, n) => n + 1),
  );
});

test("a slot that is gone is made again, and what was written meanwhile comes from the table", async () => {
  const users = makeUsers(5);
  const early = await write(users, 10);
  await until(() => hasAll(early));
  await relay.close();
  await db.sql`select pg_drop_replication_slot(${slot()})`;
  const unseen = await write(users, 50);
  relay = start();
  await until(() => hasAll(unseen));
  const later = await write(users, 10);
  await until(() => hasAll(later));
  const all = await published();
  assert.equal(new Set(all).size, all.length);
});

test("streams shrink to what groups have not handled", async () => {
  const group = "trimmed";
  await consuming(group, async (seen) => {
    const written = await write(makeUsers(8), 60);
    await until(() => written.every((id) => seen.events.some((event) => event.id === id)));
  });
  // Groups of earlier tests have left, and hold on to what they did not see.
  for (let partition = 0; partition < defaultPartitions; partition++)
    await redis.hdel(keys.cursors(partition), "arrives", "forgot");
  const unseen = await write(makeUsers(8), 40);
  await until(() => hasAll(unseen));
  await trimStreams(redis, keys, defaultPartitions, { hours: 48, entries: 0 });
  const left = await published();
  assert.ok(unseen.every((id) => left.includes(id)));
  assert.ok(left.length <= unseen.length + defaultPartitions);
});

test("a day's partition takes over the rows that the default one caught, and they are not published again", async () => {
  const before = (await published()).length;
  const [caught] = await db.sql`select count(*)::int as rows from outbox_default`;
  assert.ok(caught!.rows > 0);
  const done = await maintainOutbox(db.sql);
  assert.equal(done!.created.length, 4);
  const [left] = await db.sql`select count(*)::int as rows from outbox_default`;
  assert.equal(left!.rows, 0);
  const written = await write(makeUsers(3), 6);
  await until(() => hasAll(written));
  assert.equal((await published()).length, before + 6);
});

test("a day that is published and old is dropped; one that is not published stays", async () => {
  const old = new Date(Date.now() - 9 * 86_400_000);
  await db.sql`
    insert into outbox (id, key, topic, version, payload, request_id, created_at)
    values (${newId()}, ${newId()}, 'test.happened', 1, '{}', 'request', ${old})`;
  const day = `outbox_${old.toISOString().slice(0, 10).replaceAll("-", "")}`;
  await relay.close();
  await db.sql`update relay_progress set safe_at = null`;
  assert.ok((await maintainOutbox(db.sql))!.created.some((name) => day.endsWith(name.replaceAll("-", ""))));
  assert.deepEqual((await maintainOutbox(db.sql))!.dropped, []);
  await db.sql`update relay_progress set safe_at = now() where stream not like 'slot:%'`;
  assert.equal((await maintainOutbox(db.sql))!.dropped.length, 1);
  const [gone] = await db.sql`select to_regclass(${day}) is null as gone`;
  assert.equal(gone!.gone, true);
  relay = start();
  await active(relay);
});

test("a restored database begins new streams, and consumers go on from the old ones to them", async () => {
  const users = makeUsers(4);
  const before = await write(users, 20);
  await until(() => hasAll(before));
  await relay.close();
  await db.close();
  const from = new URL(database.url).pathname.slice(1);
  const admin = connectDatabase(process.env.TEST_DATABASE_URL!, { name: "test", poolSize: 1 });
  const to = `${from}_restored`;
  await admin.sql.unsafe(`create database ${to} template ${from} strategy file_copy`);
  await database.drop();
  await admin.close();
  const restored = new URL(database.url);
  restored.pathname = `/${to}`;
  database = { url: restored.href, drop: () => dropDatabase(to) };
  db = connectDatabase(database.url, { name: "test", poolSize: 4 });
  relay = start();
  await active(relay);
  assert.equal((await redis.lrange(keys.epochs, 0, -1)).length, 2);
  const later = await write(users, 20);
  await until(() => hasAll(later));
  const all = await published();
  assert.equal(new Set(all).size, all.length);
  await consuming("restored", async (seen) => {
    await until(() => later.every((id) => seen.events.some((event) => event.id === id)));
    for (const user of users) {
      const wanted = [...before, ...later].filter((_, n) => n % users.length === users.indexOf(user));
      const found = seen.events.filter(({ key }) => key === user).map(({ id }) => id);
      assert.deepEqual(found, wanted);
    }
  });
});

async function dropDatabase(name: string): Promise<void> {
  const admin = connectDatabase(process.env.TEST_DATABASE_URL!, { name: "test", poolSize: 1 });
  await admin.sql.unsafe(`drop database if exists ${name} with (force)`);
  await admin.close();
}

// Workers that die, and workers that were only away for a while, as real processes.

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import type { Bus } from "@signalbox/core/bus/bus";
import { collect, makeEvents, makeUsers, until } from "@signalbox/core/bus/contract";
import { encodeEvent } from "@signalbox/core/bus/envelope";
import { busKeys, defaultPartitions } from "@signalbox/core/bus/keys";
import { partitionOf } from "@signalbox/core/bus/partition";
import { createRedisBus } from "@signalbox/core/bus/redis-bus";
import { beginning, streamId } from "@signalbox/core/bus/stream-id";
import { streamPublisher } from "@signalbox/core/bus/stream-publisher";
import { newId } from "@signalbox/core/ids";
import { createLogger } from "@signalbox/core/log";
import { connectRedis, type Redis } from "@signalbox/core/redis";
import { forgetKeys } from "@signalbox/core/testing/forget-keys";
import { connectDatabase, type Database } from "@signalbox/db";
import { createBusStore } from "@signalbox/db/bus-store";
import { createTestDatabase, type TestDatabase } from "@signalbox/db/testing";

const redisUrl = process.env.TEST_REDIS_URL!;
const prefix = `test-${newId()}`;
const keys = busKeys(prefix);
const log = createLogger({ name: "test", level: process.env.TEST_LOG_LEVEL || "silent" });
const children: ChildProcess[] = [];
const buses: Bus[] = [];
let database: TestDatabase;
let db: Database;
let redis: Redis;
let publish: (events: ReturnType<typeof makeEvents>) => Promise<void>;

before(async () => {
  database = await createTestDatabase();
  db = connectDatabase(database.url, { name: "test", poolSize: 3 });
  redis = connectRedis(redisUrl);
  await redis.rpush(keys.epochs, "1.1.1");
  const tops = Array.from({ length: defaultPartitions }, () => beginning);
  const publisher = streamPublisher(redis, keys, "1.1.1", tops);
  let lsn = 0n;
  publish = async (events) => {
    for (const event of events) {
      const id = streamId(++lsn, 0);
      const entry = { id, text: encodeEvent(event), safeAt: Date.now() };
      await publisher.append(partitionOf(event.key, defaultPartitions), [entry]);
    }
  };
});

after(async () => {
  for (const child of children) child.kill("SIGKILL");
  // Also where a test has failed: an open bus would hold this file for ever.
  for (const bus of buses) await bus.close();
  await forgetKeys(redis, `${prefix}:*`);
  redis.disconnect();
  await db.close();
  await database.drop();
});

/** A worker in this process. */
function joinHere(): Bus {
  const bus = createRedisBus({ url: redisUrl, log, prefix, store: createBusStore(db.sql) });
  buses.push(bus);
  return bus;
}

/** A worker in a process of its own, that says the id of each event when it begins with it. */
async function startProcess(group: string) {
  const source = `
    import { createRedisBus } from "@signalbox/core/bus/redis-bus";
    import { createLogger } from "@signalbox/core/log";
    import { connectDatabase } from "@signalbox/db";
    import { createBusStore } from "@signalbox/db/bus-store";
    const { sql } = connectDatabase(process.env.URL, { name: "test worker", poolSize: 2 });
    const log = createLogger({ name: "worker", level: "silent" });
    const bus = createRedisBus({ url: process.env.REDIS, log, prefix: process.env.PREFIX, store: createBusStore(sql) });
    bus.consume(process.env.GROUP, async ({ id }) => {
      process.stdout.write(id + "\\n");
      await new Promise((resolve) => setTimeout(resolve, 20));
    });`;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", source], {
    cwd: import.meta.dirname,
    env: { ...process.env, URL: database.url, REDIS: redisUrl, PREFIX: prefix, GROUP: group },
    stdio: ["ignore", "pipe", "inherit"],
  });
  children.push(child);
  const began: string[] = [];
  createInterface({ input: child.stdout! }).on("line", (id) => began.push(id));
  return { child, began };
}

test("a worker that dies is succeeded within three seconds, and nothing of it is lost", async () => {
  const group = "dies";
  const bus = joinHere();
  const seen = collect();
  bus.consume(group, seen.handler);
  const { child, began } = await startProcess(group);
  await until(() => bus.held()[group]?.length === 4);
  const events = makeEvents(makeUsers(32), 320);
  await publish(events.slice(0, 160));
  await until(() => began.length > 0);
  const died = performance.now();
  child.kill("SIGKILL");
  await once(child, "exit");
  await publish(events.slice(160));
  await until(() => bus.held()[group]?.length === 8);
  assert.ok(performance.now() - died < 3_000, `it took ${performance.now() - died} ms`);
  await until(() => {
    const done = new Set([...began, ...seen.events.map(({ id }) => id)]);
    return events.every(({ id }) => done.has(id));
  });
  // What the dead one had begun may be repeated; what it had not is done in order by the other.
  for (const key of new Set(events.map((event) => event.key))) {
    const rest = events.filter((event) => event.key === key && !began.includes(event.id)).map(({ id }) => id);
    const done = [...new Set(seen.of(events).map(({ id }) => id))].filter((id) => rest.includes(id));
    assert.deepEqual(done, rest);
  }
});

test("a worker that was stopped and wakes up late begins nothing that belongs to its successor", async () => {
  const group = "sleeps";
  const { child, began } = await startProcess(group);
  const events = makeEvents(makeUsers(16), 96);
  await publish(events.slice(0, 32));
  await until(() => events.slice(0, 32).every(({ id }) => began.includes(id)));
  child.kill("SIGSTOP");
  const bus = joinHere();
  const seen = collect();
  bus.consume(group, seen.handler);
  // It was waiting in a read when it was stopped: that read is answered, and must not count.
  await publish(events.slice(32, 64));
  await until(() => seen.of(events.slice(32, 64)).length === 32);
  const before = began.length;
  child.kill("SIGCONT");
  await until(() => bus.held()[group]?.length === 4);
  await publish(events.slice(64));
  await until(() => {
    const done = new Set([...began, ...seen.events.map(({ id }) => id)]);
    return events.every(({ id }) => done.has(id));
  });
  assert.ok(
    began.slice(before).every((id) => events.slice(64).some((event) => event.id === id)),
    "the late worker began only what came after it was back",
  );
});

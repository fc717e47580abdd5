// Acts while Postgres is away, on real engines behind a line that can be cut.

import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { connectDatabase } from "@signalbox/db";
import { setLimit } from "./changes.ts";
import { createLive } from "./live.ts";
import { createControlLog } from "./log.ts";
import { setSwitch } from "./switch-acts.ts";
import { openLine, quiet, startTestEngines, type TestEngines, until } from "./testing.ts";

const actor = { kind: "operator", id: "ann", name: "Ann" };
const why = (reason = "a test") => ({ actor, reason, requestId: "request-1" });

let engines: TestEngines;
const closing: (() => Promise<unknown>)[] = [];
before(async () => {
  engines = await startTestEngines();
});
after(async () => {
  await Promise.all(closing.map((close) => close()));
  await engines.close();
});

/** A process of its own, with its own line to Postgres. */
async function openProcess(id: string, { apart = id.slice(1) } = {}) {
  // Tests must not bring in what another one left waiting.
  const prefix = `${engines.prefix}:${apart}`;
  const redis = engines.connect();
  const line = await openLine(engines.databaseUrl);
  const database = connectDatabase(line.url, { name: id, poolSize: 2 });
  const controlLog = createControlLog(database.sql);
  const live = createLive({
    log: quiet,
    sql: database.watch,
    redis,
    secret: "a secret of this test, long enough",
    dataDir: join(engines.dataDir, id),
    instance: { id },
    prefix,
    controlLog,
    pollMs: 150,
  });
  await live.start();
  const close = async () => {
    await live.close();
    line.cut();
    await database.close();
    await line.close();
  };
  closing.push(close);
  return { live, controlLog, line, redis, close };
}

const off = (
  { live }: { live: { rules(): { off(...args: [string, string, number]): unknown } } },
  key: string,
) => live.rules().off(key, "u", Date.now()) !== undefined;

test("with Postgres away an act is in force everywhere at once, and in the log when it is back", async () => {
  const a = await openProcess("a1");
  const b = await openProcess("b1");
  await setSwitch(a, "one.x", { state: "off" }, why("before"));
  const { revision } = a.live;
  await until("b has it", () => b.live.revision === revision);
  for (const { line } of [a, b]) line.cut();

  const said = { ...why("while away"), incident: "INC-7" };
  const first = await setSwitch(a, "one.y", { state: "off", message: "gone" }, said);
  assert.deepEqual([first.logged, first.revision], [false, revision + 1]);
  assert.ok(off(a, "one.y"));
  await until("b enforces it", () => off(b, "one.y"), 500);
  const second = await setSwitch(b, "one.y", { state: "on" }, why("while away too"));
  assert.equal(second.revision, revision + 2);
  assert.equal((second.event.before as { message: string }).message, "gone");
  const third = await setLimit(a, "one.z", { rate: 3, burst: 3 }, why("a limit"));
  assert.equal(third.revision, revision + 3);
  assert.equal(a.live.status().pending, 3);

  for (const { line } of [a, b]) line.mend();
  for (const { live } of [a, b])
    await until("it is in the log", () => live.status().pending === 0 && live.revision === revision + 3);
  const events = await a.controlLog.read({ limit: 3 });
  assert.deepEqual(
    events.map(({ id, revision, hash }) => [id, revision, hash]),
    [third, second, first].map(({ event: { id, revision, hash } }) => [id, revision, hash]),
  );
  assert.equal(events.at(-1)?.incident, "INC-7");
  assert.equal((await a.controlLog.verify([a.live.status().logged, b.live.status().logged])).fault, null);
  assert.ok(!off(b, "one.y"));
});

test("with Redis away as well it holds where it was made, outlives a restart, and reaches the others with Postgres", async () => {
  const a = await openProcess("a2");
  const b = await openProcess("b2");
  await setSwitch(a, "two.x", { state: "off" }, why());
  await until("b has it", () => off(b, "two.x"));
  a.line.cut();
  a.redis.disconnect();
  const done = await setSwitch(a, "two.y", { state: "off" }, why("all alone"));
  assert.equal(done.logged, false);
  assert.ok(off(a, "two.y"));
  assert.ok(!off(b, "two.y"));
  // The same folder, as a process that was restarted while all is away.
  await a.live.close();
  const again = createLive({
    log: quiet,
    sql: connectDatabase(a.line.url, { name: "a2", poolSize: 1 }).sql,
    redis: a.redis,
    secret: "a secret of this test, long enough",
    dataDir: join(engines.dataDir, "a2"),
    instance: { id: "a2" },
    prefix: `${engines.prefix}:2`,
    controlLog: a.controlLog,
    pollMs: 150,
  });
  closing.unshift(() => again.close());
  await again.start();
  assert.ok(off({ live: again }, "two.y"));
  assert.equal(again.status().pending, 1);
  a.line.mend();
  await until("b enforces it", () => off(b, "two.y"));
  await until("nothing waits", () => again.status().pending === 0);
  assert.equal((await b.controlLog.read({ key: "two.y" })).length, 1);
});

test("where both sides changed one key, off wins, whichever side it was on, and the log shows the conflict", async () => {
  const a = await openProcess("a3");
  const b = await openProcess("b3", { apart: "3-apart" });
  await setSwitch(b, "three.offHere", { state: "on" }, why());
  await until("a is up to date", () => a.live.revision === b.live.revision);
  a.line.cut();
  await setSwitch(a, "three.offHere", { state: "off" }, why("away: off"));
  await setSwitch(a, "three.onHere", { state: "on" }, why("away: on"));
  await setLimit(a, "three.limit", { rate: 5, burst: 5 }, why("away: five"));
  await setSwitch(b, "three.offHere", { state: "on" }, why("log: on"));
  await setSwitch(b, "three.onHere", { state: "off" }, why("log: off"));
  await setLimit(b, "three.limit", { rate: 1, burst: 1 }, why("log: one"));
  a.line.mend();
  await until("all is in the log", () => a.live.status().pending === 0);
  await until("b has it", () => b.live.revision === a.live.revision);
  for (const each of [a, b]) {
    assert.ok(off(each, "three.offHere"), "offHere");
    assert.ok(off(each, "three.onHere"), "onHere");
    assert.equal(each.live.current().limits["three.limit"]?.rate, 1);
  }
  const [conflict] = await b.controlLog.read({ key: "three.offHere", limit: 1 });
  assert.equal(conflict?.kind, "switch.conflict");
  assert.match(conflict?.reason ?? "", /this act is the safer .*: away: off/);
  const { log, act } = conflict!.before as { log: { state: string }; act: { state: string } };
  assert.deepEqual([log.state, act.state], ["on", "off"]);
  assert.match(
    (await b.controlLog.read({ key: "three.onHere", limit: 1 }))[0]?.reason ?? "",
    /the log is the safer/,
  );
  assert.ok((await b.controlLog.verify([a.live.status().logged])).ok);
});

test("two who act at the same time without the log are numbered one after the other, and nothing enters twice", async () => {
  const a = await openProcess("a4");
  const b = await openProcess("b4");
  await until("both know the log", () => a.live.revision === b.live.revision);
  const { revision } = a.live;
  for (const { line } of [a, b]) line.cut();
  const acts = await Promise.all(
    Array.from({ length: 16 }, (_, n) =>
      setSwitch(n % 2 ? a : b, `four.k${n}`, { state: "off" }, why(`act ${n}`)),
    ),
  );
  assert.deepEqual(
    acts.map((act) => act.revision).sort((x, y) => x - y),
    acts.map((_, n) => revision + 1 + n),
  );
  for (const { line } of [a, b]) line.mend();
  for (const { live } of [a, b]) await until("nothing waits", () => live.status().pending === 0);
  const events = await a.controlLog.read({ limit: 16 });
  assert.deepEqual(new Set(events.map(({ id }) => id)), new Set(acts.map(({ event }) => event.id)));
  assert.equal(a.live.revision, revision + 16);
  assert.ok((await a.controlLog.verify()).ok);
});

test("a Postgres that stands still is not waited for, and its late answer makes no second act", async () => {
  const a = await openProcess("a5");
  // Whoever holds the lock of the log keeps every append waiting, as a server that stands still does.
  const { sql } = engines.database;
  const locked = Promise.withResolvers<void>();
  const release = Promise.withResolvers<void>();
  const held = sql.begin(async (transaction) => {
    await transaction`lock table control_events in access exclusive mode`;
    locked.resolve();
    await release.promise;
  });
  await locked.promise;
  const began = performance.now();
  const done = await setSwitch(a, "five.x", { state: "off" }, why("slow"));
  assert.equal(done.logged, false);
  assert.ok(performance.now() - began < 3_500);
  assert.ok(off(a, "five.x"));
  release.resolve();
  await held;
  await until("nothing waits", () => a.live.status().pending === 0);
  assert.equal((await a.controlLog.read({ key: "five.x" })).length, 1);
  assert.ok(off(a, "five.x"));
});

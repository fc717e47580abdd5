// The log, the live copies and the confirmations together, on real Postgres and Redis.

import assert from "node:assert/strict";
import { appendFile, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { firstHash, hashEvent } from "./chain.ts";
import { createConfirmations } from "./confirmations.ts";
import { overridePath, snapshotPath } from "./disk.ts";
import { createExpirySweep } from "./expiry.ts";
import { emptyDocument, settingsAt } from "./fold.ts";
import { headsPath } from "./heads.ts";
import { createLive, type Live } from "./live.ts";
import { createControlLog } from "./log.ts";
import { setSwitch } from "./switch-acts.ts";
import { quiet, startTestEngines, type TestEngines, until } from "./testing.ts";

const secret = "a secret of this test, long enough";
const actor = { kind: "operator", id: "ann", name: "Ann" };
const why = (reason = "a test") => ({ actor, reason, requestId: "request-1" });

let engines: TestEngines;
const opened: Live[] = [];

before(async () => {
  engines = await startTestEngines();
});
after(async () => {
  await Promise.all(opened.map((live) => live.close()));
  await engines?.close();
});

/** A process of its own, as far as the control plane can tell. */
async function startLive(id: string, options: Partial<Parameters<typeof createLive>[0]> = {}): Promise<Live> {
  const live = createLive({
    log: quiet,
    sql: engines.database.sql,
    redis: engines.connect(),
    secret,
    dataDir: join(engines.dataDir, id),
    instance: { id },
    prefix: engines.prefix,
    ...options,
  });
  opened.push(live);
  await live.start();
  return live;
}

const off = (live: Live, name: string, nowMs = Date.now()) => live.rules().off(name, "u", nowMs);

describe("the log", () => {
  test("numbers acts, chains them and folds them at any instant", async () => {
    const controlLog = createControlLog(engines.database.sql);
    const live = await startLive("log");
    const first = await setSwitch(
      { controlLog, live },
      "log.a",
      { state: "off", message: "m1" },
      why("first"),
    );
    const middle = new Date();
    await new Promise((resolve) => setTimeout(resolve, 5));
    const second = await setSwitch({ controlLog, live }, "log.a", { state: "on" }, why("second"));
    assert.equal(second.revision, first.revision + 1);
    assert.equal(second.event.previousHash, first.event.hash);
    assert.equal((second.event.before as { message: string }).message, "m1");

    const then = settingsAt((await controlLog.foldAt(middle)).document, middle.getTime());
    assert.equal(then.switches["log.a"]?.state, "off");
    assert.equal(then.switches["log.a"]?.reason, "first");
    const now = await controlLog.fold();
    assert.equal(now.document.switches["log.a"]?.state, "on");
    assert.equal(now.head.revision, second.revision);

    const history = await controlLog.read({ key: "log.a" });
    assert.deepEqual(
      history.map(({ reason }) => reason),
      ["second", "first"],
    );
  });

  test("an act says what it was done for, and the chain holds that too", async () => {
    const { sql } = engines.database;
    const controlLog = createControlLog(sql);
    const live = await startLive("incident");
    const { event } = await setSwitch(
      { controlLog, live },
      "log.incident",
      { state: "off" },
      { ...why("fire"), incident: "INC-42" },
    );
    assert.equal(live.current().switches["log.incident"]?.incident, "INC-42");
    const found = await controlLog.read({ incident: "INC-42" });
    assert.deepEqual(
      found.map(({ revision, incident }) => [revision, incident]),
      [[event.revision, "INC-42"]],
    );
    for (const incident of ["INC-43", null]) {
      await sql`update control_events set incident = ${incident} where revision = ${event.revision}`;
      assert.equal((await controlLog.verify()).fault?.revision, event.revision);
    }
    await sql`update control_events set incident = 'INC-42' where revision = ${event.revision}`;
    assert.equal((await controlLog.verify()).fault, null);
  });

  test("what was written before there were incidents hashes as it did", () => {
    const written = {
      ...{ revision: 1, id: "01900000-0000-7000-8000-000000000001", at: new Date("2026-05-01T03:00:00Z") },
      ...{ actor, kind: "switch.set", key: "feed", before: null, after: { state: "off" } },
      ...{ reason: "spam wave", expiresAt: null, requestId: "request-1", previousHash: firstHash },
    };
    const then = "6ad92009a00634b0e73494b3a6b9c97fe69636b2ab7dcaa902cf41cb1c2b3770";
    assert.equal(hashEvent({ ...written, incident: null }), then);
    assert.notEqual(hashEvent({ ...written, incident: "INC-1" }), then);
  });

  test("acts at the same time get numbers without a gap", async () => {
    const live = await startLive("crowd");
    const logs = Array.from({ length: 4 }, () => createControlLog(engines.database.sql));
    const done = await Promise.all(
      Array.from({ length: 20 }, (_, n) =>
        setSwitch({ controlLog: logs[n % 4]!, live }, `crowd.k${n}`, { state: "off" }, why()),
      ),
    );
    const revisions = done.map(({ revision }) => revision).sort((a, b) => a - b);
    revisions.forEach((revision, n) => {
      assert.equal(revision, revisions[0]! + n);
    });
    assert.equal((await logs[0]!.verify()).ok, true);
  });

  test("an edited row, a removed row and a rewritten tail are found", async () => {
    const { sql } = engines.database;
    const controlLog = createControlLog(sql);
    const head = await controlLog.head();
    assert.deepEqual((await controlLog.verify([head])).fault, null);

    const putBack = async (rows: Iterable<Record<string, unknown>>) => {
      for (const row of rows) {
        const json = (value: unknown) => (value === null ? null : sql.json(value as never));
        const whole = { ...row, actor: json(row.actor), before: json(row.before), after: json(row.after) };
        await sql`insert into control_events ${sql(whole as unknown as Record<string, never>)}`;
      }
    };
    const edits = [
      () => sql`update control_events set reason = 'nothing to see' where revision = 2`,
      () => sql`update control_events set after = jsonb_set(after, '{state}', '"on"') where revision = 1`,
      () => sql`update control_events set at = at + interval '1 second' where revision = 2`,
      () => sql`delete from control_events where revision = 2`,
    ];
    for (const edit of edits) {
      const kept = await sql`select * from control_events where revision <= 2 order by revision`;
      await edit();
      assert.equal((await controlLog.verify()).ok, false);
      await sql`delete from control_events where revision <= 2`;
      await putBack(kept);
      assert.equal((await controlLog.verify()).ok, true);
    }

    // A tail cut off fits together by itself; only a head kept elsewhere tells.
    const tail = await sql`delete from control_events where revision = ${head.revision} returning *`;
    assert.equal((await controlLog.verify()).ok, true);
    assert.equal((await controlLog.verify([head])).fault?.revision, head.revision);
    await putBack(tail);
    assert.equal((await controlLog.verify([head])).ok, true);
  });
});

describe("the head outside the log", () => {
  test("a tail that was written anew, hashes and all, is found although every process follows it", async () => {
    const { sql } = engines.database;
    const controlLog = createControlLog(sql);
    const live = await startLive("heads", { pollMs: 100 });
    const { revision } = await setSwitch({ controlLog, live }, "heads.a", { state: "off" }, why("true"));
    const [event] = await controlLog.read({ limit: 1 });
    const forged = { ...event!, reason: "forged" };
    const hash = hashEvent(forged);
    await sql`update control_events set reason = ${forged.reason}, hash = ${hash} where revision = ${revision}`;
    await until("the process follows it", () => live.status().logged.hash === hash);
    assert.equal((await controlLog.verify([live.status().logged])).ok, true);
    const verdict = await controlLog.verify([live.status().logged, ...(await live.heads())]);
    assert.deepEqual([verdict.ok, verdict.fault?.revision], [false, revision]);
    // Who can write the file, and has no key, adds nothing to it.
    await appendFile(headsPath(join(engines.dataDir, "heads")), `${revision + 7} ${"0".repeat(64)} x\n`);
    assert.ok((await live.heads()).every((head) => head.revision <= revision));
    await sql`update control_events set reason = ${event!.reason}, hash = ${event!.hash} where revision = ${revision}`;
    await until("it follows back", () => live.status().logged.hash === event!.hash);
    assert.equal((await controlLog.verify(await live.heads())).ok, true);
  });
});

describe("the live copy", () => {
  test("is pushed to another process within milliseconds", async () => {
    const controlLog = createControlLog(engines.database.sql);
    const [one, other] = [await startLive("push-1"), await startLive("push-2", { pollMs: 60_000 })];
    const delays: number[] = [];
    for (let n = 0; n < 40; n++) {
      const state = n % 2 === 0 ? "off" : "on";
      const enforced = new Promise<number>((resolve) => {
        const stop = other.onChange(() => {
          stop();
          resolve(performance.now());
        });
      });
      const { committedAt } = await setSwitch({ controlLog, live: one }, "push.a", { state }, why());
      delays.push((await enforced) - committedAt);
      assert.equal(off(one, "push.a") !== undefined, state === "off");
      assert.equal(off(other, "push.a") !== undefined, state === "off");
    }
    delays.sort((a, b) => a - b);
    console.log(
      `# commit to enforced elsewhere: p50 ${delays[20]!.toFixed(1)} ms, max ${delays[39]!.toFixed(1)} ms`,
    );
    assert.ok(delays[20]! < 50);
    assert.equal(other.status().source, "push");
  });

  test("comes by the poll of Postgres when the push is cut", async () => {
    const controlLog = createControlLog(engines.database.sql);
    const cut = await startLive("cut", { prefix: `${engines.prefix}-elsewhere`, pollMs: 200 });
    const one = await startLive("cut-writer");
    await setSwitch({ controlLog, live: one }, "cut.a", { state: "off" }, why());
    await until("the poll brings it", () => off(cut, "cut.a"), 1_500);
    assert.equal(cut.status().source, "poll");
  });

  test("is read from disk when everything is away, and a changed file is refused", async () => {
    const controlLog = createControlLog(engines.database.sql);
    const one = await startLive("disk");
    const dataDir = join(engines.dataDir, "disk");
    const { revision } = await setSwitch(
      { controlLog, live: one },
      "disk.a",
      { state: "off", message: "kept" },
      why(),
    );
    await until("it is on disk", async () =>
      (await readFile(snapshotPath(dataDir), "utf8")).includes("disk.a"),
    );

    // Nothing listens on port 1: both engines are away.
    const { connectDatabase } = await import("@signalbox/db");
    const { connectRedis } = await import("@signalbox/core/redis");
    const away = () => ({
      sql: connectDatabase("postgres://x:x@127.0.0.1:1/x", { name: "away" }).sql,
      redis: connectRedis("redis://127.0.0.1:1"),
      dataDir,
    });
    const connections = [away(), away()];
    const cold = await startLive("disk-cold", connections[0]);
    assert.equal(off(cold, "disk.a")?.message, "kept");
    // What ended by itself meanwhile, in another test, is in the log and on the disk too.
    assert.ok(cold.revision >= revision);
    assert.equal(cold.status().source, "snapshot");

    const text = await readFile(snapshotPath(dataDir), "utf8");
    await writeFile(snapshotPath(dataDir), text.replace("kept", "bent"));
    const tampered = await startLive("disk-tampered", connections[1]);
    assert.equal(off(tampered, "disk.a"), undefined);
    assert.equal(tampered.status().source, "defaults");
    for (const { redis } of connections) redis.disconnect();
  });

  test("an override file wins within two seconds, a broken one changes nothing, and its removal ends it", async () => {
    const controlLog = createControlLog(engines.database.sql);
    const live = await startLive("override");
    const path = overridePath(join(engines.dataDir, "override"));
    await mkdir(join(engines.dataDir, "override", "control"), { recursive: true });
    await setSwitch({ controlLog, live }, "override.a.b", { state: "on" }, why());

    await writeFile(path, JSON.stringify({ switches: { override: { state: "off", message: "by hand" } } }));
    await until("it is in force", () => off(live, "override.a.b")?.message === "by hand", 2_000);
    assert.deepEqual(live.status().overridden, ["override"]);
    await writeFile(path, "{ not json");
    await new Promise((resolve) => setTimeout(resolve, 1_300));
    assert.equal(off(live, "override.a.b")?.message, "by hand");
    await rm(path);
    await until("it is over", () => off(live, "override.a.b") === undefined, 2_000);
  });

  test("a push that this install did not sign is not used", async () => {
    const live = await startLive("forged");
    const controlLog = createControlLog(engines.database.sql);
    await until("it knows the newest", async () => live.revision === (await controlLog.head()).revision);
    const { revision } = live;
    const { push } = await import("./push.ts");
    const { createSeal } = await import("./seal.ts");
    const forged = {
      head: { revision: revision + 100, hash: "x" },
      document: emptyDocument,
      at: 0,
    };
    await push(
      { redis: engines.redis, seal: createSeal("another secret altogether"), prefix: engines.prefix },
      forged,
    );
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.ok(live.revision < revision + 100);
    assert.notEqual(live.status().logged.hash, forged.head.hash);
    await engines.redis.del(`${engines.prefix}:{control}:document`);
  });

  test("settings that do not parse leave the last good ones in force", async () => {
    const controlLog = createControlLog(engines.database.sql);
    const live = await startLive("bad");
    const folded = await controlLog.fold();
    await live.announce({
      ...folded,
      head: { revision: folded.head.revision + 1_000, hash: "x" },
      document: { ...folded.document, shed: { "*": { maxInFlight: "many" } } as never },
    });
    assert.equal(live.revision, folded.head.revision);
    await engines.redis.del(`${engines.prefix}:{control}:document`);
  });

  test("follows a database that was put back to an earlier state", async () => {
    const { sql } = engines.database;
    const controlLog = createControlLog(sql);
    const live = await startLive("restored", { pollMs: 200 });
    await setSwitch({ controlLog, live }, "restored.a", { state: "off" }, why());
    await setSwitch({ controlLog, live }, "restored.b", { state: "off" }, why());
    const { revision } = live;
    await sql`delete from control_events where revision = ${revision}`;
    await until("it follows", () => live.revision === revision - 1, 2_000);
    assert.ok(off(live, "restored.a"));
    assert.equal(off(live, "restored.b"), undefined);
    const again = await setSwitch(
      { controlLog: createControlLog(sql), live },
      "restored.c",
      { state: "off" },
      why(),
    );
    assert.equal(again.revision, revision);
  });
});

describe("a value with an end", () => {
  test("is over within a second everywhere, and the log tells it once", async () => {
    const controlLog = createControlLog(engines.database.sql);
    const [one, other] = [await startLive("expiry-1"), await startLive("expiry-2")];
    const deps = { controlLog, log: quiet };
    const sweeps = [one, other].map((live) => createExpirySweep({ ...deps, live }));
    for (const sweep of sweeps) sweep.start();

    await setSwitch(
      { controlLog, live: one },
      "expiry.a",
      { state: "off", share: 50, message: "half" },
      why(),
    );
    const expiresAt = new Date(Date.now() + 700);
    await setSwitch(
      { controlLog, live: one },
      "expiry.a",
      { state: "off", message: "all" },
      { ...why(), expiresAt },
    );
    const message = (live: Live, nowMs: number) => live.rules().decides("expiry.a", nowMs)?.layer.message;
    await until("both enforce it", () => [one, other].every((live) => message(live, Date.now()) === "all"));
    for (const live of [one, other]) {
      assert.equal(message(live, expiresAt.getTime() - 1), "all");
      assert.equal(message(live, expiresAt.getTime()), "half");
    }
    await until(
      "the log tells it",
      async () => (await controlLog.read({ key: "expiry.a" }))[0]?.kind === "switch.expired",
    );
    await new Promise((resolve) => setTimeout(resolve, 900));
    await Promise.all(sweeps.map((sweep) => sweep.close()));
    const history = await controlLog.read({ key: "expiry.a" });
    assert.deepEqual(
      history.map(({ kind }) => kind),
      ["switch.expired", "switch.set", "switch.set"],
    );
    const late = history[0]!.at.getTime() - expiresAt.getTime();
    assert.ok(late >= 0 && late < 1_000, `written ${late} ms after`);
    assert.equal((await controlLog.fold()).document.switches["expiry.a"]?.message, "half");
    assert.equal((await controlLog.verify()).ok, true);
  });

  test("an end in the past is refused", async () => {
    const controlLog = createControlLog(engines.database.sql);
    const live = await startLive("past");
    await assert.rejects(
      setSwitch(
        { controlLog, live },
        "past.a",
        { state: "off" },
        { ...why(), expiresAt: new Date(Date.now() - 1) },
      ),
      { code: "invalid" },
    );
  });
});

describe("confirmations", () => {
  test("name who has not confirmed and time who has", async () => {
    const controlLog = createControlLog(engines.database.sql);
    const [one, other] = [await startLive("confirm-1"), await startLive("confirm-2")];
    const confirmations = createConfirmations({
      redis: engines.redis,
      prefix: engines.prefix,
      own: () => ({ id: "confirm-1", revision: one.revision }),
      expected: async () => ["confirm-1", "confirm-2"].map((id) => ({ id })),
    });
    await new Promise((resolve) => setTimeout(resolve, 100));
    const done = await setSwitch({ controlLog, live: one }, "confirm.a", { state: "off" }, why());
    const all = await confirmations.waitFor(done.revision, done.committedAt);
    assert.deepEqual([all.expected, all.confirmed, all.missing], [2, 2, []]);
    assert.ok(all.slowestMs !== null);

    await other.close();
    const next = await setSwitch({ controlLog, live: one }, "confirm.a", { state: "on" }, why());
    const began = performance.now();
    const some = await confirmations.waitFor(next.revision, next.committedAt, 600);
    assert.deepEqual([some.expected, some.confirmed, some.missing], [2, 1, ["confirm-2"]]);
    assert.ok(performance.now() - began < 1_900, "no longer than it was told to wait");
    confirmations.close();
  });

  test("know nothing of how many there are where the registry is away", async () => {
    const confirmations = createConfirmations({
      redis: engines.redis,
      prefix: engines.prefix,
      own: () => ({ id: "x", revision: 7 }),
      expected: async () => undefined,
    });
    assert.deepEqual(await confirmations.waitFor(7, performance.now()), {
      expected: null,
      confirmed: 1,
      slowestMs: null,
      missing: [],
    });
    confirmations.close();
  });
});

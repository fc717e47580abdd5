// The judge at work on real engines: restarts, lost parts, operators in between.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, test } from "node:test";
import { newId } from "@signalbox/core/ids";
import { connectRedis } from "@signalbox/core/redis";
import { createRegistry } from "@signalbox/core/registry";
import { createSignals, type Signals } from "@signalbox/core/signals/signals";
import { connectDatabase } from "@signalbox/db";
import { createConfirmations } from "../confirmations.ts";
import { createLive, type Live } from "../live.ts";
import { createControlLog } from "../log.ts";
import { canaryTriggers } from "../settings.ts";
import { type Line, openLine, quiet, startTestEngines, type TestEngines, until } from "../testing.ts";
import { actOnCanary, startCanary } from "./acts.ts";
import { createCanaryJudge, type JudgeDeps } from "./controller.ts";
import { judge as judgeEvidence } from "./judge.ts";
import type { CanaryAct } from "./machine.ts";
import { createCanaryStore } from "./store.ts";

const secret = randomBytes(32);
const ann = { actor: { kind: "operator", id: "ann", name: "Ann" }, reason: "a test", requestId: "r" };

type World = JudgeDeps & { live: Live };

let engines: TestEngines;
let toPostgres: Line;
let toRedis: Line;
let world: World;
const closing: (() => unknown)[] = [];
/** All that counts go by. */
let nowMs = Date.now() - (Date.now() % 5_000);
let held: string[] = [];
/** Of the process where callers come in. */
let gateway: Signals;

before(async () => {
  engines = await startTestEngines();
  toPostgres = await openLine(engines.databaseUrl);
  toRedis = await openLine(process.env.TEST_REDIS_URL!);
  const { prefix, dataDir } = engines;
  const database = connectDatabase(toPostgres.url, { name: "judge", poolSize: 3 });
  const redis = connectRedis(toRedis.url);
  const { sql } = database;
  const log = quiet;
  const instance = { id: newId(), name: "worker", version: "1.0.0", track: "stable" as const };
  const controlLog = createControlLog(sql, () => nowMs);
  const live = createLive({
    ...{ log, sql, redis, secret, dataDir, instance, prefix, controlLog },
    pollMs: 200,
  });
  await live.start();
  const registry = createRegistry({
    ...{ redis, log, prefix, beatMs: 100 },
    instance: { ...instance, role: "worker", zone: "", address: null, pid: 1, startedAt: "" },
    describe: () => ({ revision: live.revision }),
  });
  await registry.start();
  const signalsOf = (id: string, role: string) =>
    createSignals({ redis, log, instance: { ...instance, id, role }, prefix, now: () => nowMs });
  const signals = signalsOf(instance.id, "worker");
  gateway = signalsOf("gateway", "gateway");
  const confirmations = createConfirmations({
    ...{ redis, prefix },
    own: () => ({ id: instance.id, revision: live.revision }),
    expected: () => registry.list(),
  });
  world = {
    ...{ sql, live, controlLog, confirmations, signals, registry, instance, log },
    interlocks: async () => held,
    now: () => nowMs,
  };
  await until("the registry is known", async () => (await registry.list()) !== undefined);
  closing.push(
    () => confirmations.close(),
    () => registry.close(),
    () => live.close(),
    () => redis.disconnect(),
    () => database.close(),
    () => toPostgres.close(),
    () => toRedis.close(),
    () => engines.close(),
  );
});
after(async () => {
  for (const close of closing) await close();
});

const newJudge = (id = world.instance.id) => createCanaryJudge({ ...world, instance: { id } });

async function begin(triggers: object = {}, weights = [5, 25, 50, 75]) {
  const id = newId();
  await startCanary(
    world,
    {
      id,
      target: { kind: "switch", key: `feed.n${id.replaceAll("-", "")}` },
      steps: weights.map((weight) => ({ weight, bakeSeconds: 10 })),
      triggers: canaryTriggers.parse({ minRequests: 100, warmupSeconds: 0, ...triggers }),
      purpose: "",
    },
    ann,
  );
  return id;
}
const find = (id: string) => world.live.current().canaries[id]!;
const standing = async (id: string) =>
  (await createCanaryStore(world.sql).readStandings([id])).get(id)?.standing;

/** So many slots of traffic, and a look of each judge after every one. */
async function pass(id: string, slots: number, judges: { tick(): Promise<void> }[], errors = 0) {
  for (let slot = 0; slot < slots; slot++) {
    for (let n = 0; n < 400; n++) gateway.recordArm(id, "stable", 20 + (n % 40), "ok");
    for (let n = 0; n < 100; n++) gateway.recordArm(id, "canary", 20 + (n % 40), n < errors ? "error" : "ok");
    await gateway.flush();
    nowMs += 5_000;
    // Its own word on the last revision may be a moment late.
    await until("the last revision is confirmed", async () =>
      [...((await world.confirmations.ledger()) ?? [])].every(
        ([, { revision }]) => revision >= world.live.revision,
      ),
    );
    for (const judge of judges) await judge.tick();
  }
}

test("a healthy canary climbs, each step an act of the judge in the log, with evidence that replays", async () => {
  const judge = newJudge();
  const id = await begin();
  await pass(id, 30, [judge]);
  await judge.close();
  assert.equal(find(id).state, "promoted");
  assert.equal(find(id).weight, 100);
  const events = (await world.controlLog.read({ key: id })).reverse();
  assert.deepEqual(
    events.map(({ kind, actor }) => [kind, actor.kind]),
    [
      ["canary.started", "operator"],
      ["canary.advanced", "judge"],
      ["canary.advanced", "judge"],
      ["canary.advanced", "judge"],
      ["canary.promoted", "judge"],
    ],
  );
  assert.ok((await world.controlLog.verify()).ok);
  const decisions = await createCanaryStore(world.sql).decisions(id);
  assert.deepEqual(
    decisions.map((each) => [each.id, each.revision]),
    events.slice(1).map((each) => [each.id, each.revision]),
  );
  for (const { evidence, verdict, confirmations } of decisions) {
    assert.equal(judgeEvidence(evidence).verdict, verdict);
    assert.deepEqual([confirmations?.expected, confirmations?.missing], [1, []]);
  }
});

test("a bad one goes to nobody", async () => {
  const judge = newJudge();
  const id = await begin();
  await pass(id, 2, [judge]);
  await pass(id, 8, [judge], 8);
  await judge.close();
  assert.deepEqual([find(id).state, find(id).weight], ["aborted", 0]);
  assert.match(find(id).reason, /of requests fail|canary requests failed/);
});

test("judges that die in the middle of a step, and two at once, do what one does", async () => {
  const id = await begin();
  const began = nowMs;
  const first = newJudge("first");
  await pass(id, 2, [first]);
  // It dies: nothing is closed, and its lease runs out.
  await world.sql`update leases set until = now() - interval '1 second'`;
  const second = newJudge("second");
  const third = newJudge("third");
  await pass(id, 28, [second, third]);
  const starts = (await createCanaryStore(world.sql).slots(id)).map(({ start }) => start);
  assert.equal(starts[0], began, "what the first saw is part of it");
  assert.deepEqual(
    starts,
    starts.map((_, at) => began + at * 5_000),
    "and no slot is missing or there twice",
  );
  await Promise.all([second.close(), third.close()]);
  assert.equal(find(id).state, "promoted");
  const kinds = (await world.controlLog.read({ key: id })).map(({ kind }) => kind);
  assert.equal(kinds.length, 5, `each step once: ${kinds}`);
  const judges =
    await world.sql`select standing->>'judge' as judge from canary_standings where canary_id = ${id}`;
  assert.equal(judges[0]!.judge, "second");
});

test("nothing forbidden, unheard or impossible lets more callers in", async () => {
  const judge = newJudge();
  const id = await begin({ missingSeconds: 60 });
  held = ["the alert checkout pages"];
  await pass(id, 8, [judge]);
  assert.equal(find(id).weight, 5);
  assert.match((await standing(id))!.why, /the alert checkout pages/);
  held = [];
  const failing = createCanaryJudge({ ...world, interlocks: () => Promise.reject(new Error("no answer")) });
  await pass(id, 1, [failing]);
  assert.equal(find(id).weight, 5);
  assert.match((await standing(id))!.why, /not known: no answer/);
  // Callers that stay away are no reason for anything; silence is.
  nowMs += 30_000;
  await judge.tick();
  assert.equal(find(id).state, "ramping");
  assert.match((await standing(id))!.why, /nothing was heard/);
  nowMs += 40_000;
  await judge.tick();
  await judge.close();
  await failing.close();
  assert.equal(find(id).state, "aborted");
  assert.match(find(id).reason, /without sight of it for 60 s/);
});

test("operators pause, extend, resume, promote and abort at any time, and the judge goes by it", async () => {
  const judge = newJudge();
  const id = await begin();
  const act = (given: CanaryAct) => actOnCanary(world, id, given, ann);
  await act({ act: "pause" });
  await pass(id, 6, [judge]);
  assert.deepEqual([find(id).state, find(id).weight], ["paused", 5]);
  assert.equal(await act({ act: "pause" }), undefined, "twice is once");
  await act({ act: "resume" });
  await act({ act: "extend", seconds: 3_600 });
  await pass(id, 6, [judge]);
  assert.deepEqual([find(id).state, find(id).weight], ["ramping", 5]);
  await act({ act: "promote" });
  assert.deepEqual([find(id).state, find(id).weight], ["promoted", 100]);
  await act({ act: "abort" });
  assert.deepEqual([find(id).state, find(id).weight], ["aborted", 0]);
  nowMs += 86_400_000 + 1_000;
  await judge.tick();
  await judge.close();
  assert.equal(find(id), undefined, "a day later no call asks for it any more");
});

test("without Postgres a bad one is still turned back, no step is taken, and an operator can abort", async () => {
  const judge = newJudge();
  const [bad, good] = [await begin(), await begin()];
  await pass(bad, 1, [judge]);
  await pass(good, 1, [judge]);
  toPostgres.cut();
  for (let slot = 0; slot < 6; slot++) await both(bad, good);
  await judge.tick();
  assert.deepEqual([find(bad).state, find(bad).weight], ["aborted", 0]);
  assert.deepEqual([find(good).state, find(good).weight], ["ramping", 5]);
  await actOnCanary(world, good, { act: "abort" }, ann);
  assert.deepEqual([find(good).state, find(good).weight], ["aborted", 0]);
  toPostgres.mend();
  await until("the acts are in the log", () => world.live.status().pending === 0, 20_000);
  const kinds = (await world.controlLog.read({ kind: "canary", limit: 2 })).map(({ kind }) => kind);
  assert.deepEqual(kinds, ["canary.aborted", "canary.aborted"]);
  assert.ok((await world.controlLog.verify()).ok);
  await judge.close();
});

async function both(bad: string, good: string) {
  for (let n = 0; n < 400; n++) {
    for (const id of [bad, good]) gateway.recordArm(id, "stable", 20 + (n % 40), "ok");
    if (n >= 100) continue;
    gateway.recordArm(good, "canary", 20 + (n % 40), "ok");
    gateway.recordArm(bad, "canary", 20 + (n % 40), n < 50 ? "error" : "ok");
  }
  await gateway.flush();
  nowMs += 5_000;
}

test("without Redis it holds, says so, and goes to nobody after the time that was set", async () => {
  const judge = newJudge();
  const id = await begin({ missingSeconds: 60 });
  await pass(id, 1, [judge]);
  toRedis.cut();
  nowMs += 30_000;
  await judge.tick();
  assert.deepEqual([find(id).state, find(id).weight], ["ramping", 5]);
  assert.match((await standing(id))!.why, /Redis is away/);
  nowMs += 60_000;
  await judge.tick();
  assert.deepEqual([find(id).state, find(id).weight], ["aborted", 0]);
  toRedis.mend();
  await judge.close();
});

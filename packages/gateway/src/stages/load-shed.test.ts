import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { fixedLive } from "@signalbox/control/live";
import { Deadline } from "@signalbox/core/resilience/deadline";
import type { Call } from "../pipeline.ts";
import { awaited, testCall } from "../testing.ts";
import { createLoadShed, type Pressure } from "./load-shed.ts";

const priorities: Call["priority"][] = ["background", "normal", "critical"];

const open = (shed: object, { eventLoopDelayMs = 0, poolWaiting = 0 } = {}) => {
  const pressure: Pressure = { eventLoopDelayMs: () => eventLoopDelayMs, poolWaiting: () => poolWaiting };
  const made = createLoadShed(fixedLive({ shed: { "*": shed } }), pressure, { now: Date.now });
  return { ...made, stage: awaited(made.stage) };
};

test("as calls pile up, background ones are refused first and critical ones last", async () => {
  const limits = { minInFlight: 10, maxInFlight: 10, normalPercent: 80, backgroundPercent: 50 };
  const { stage } = open({ ...limits, maxQueue: 0 });
  const release: (() => void)[] = [];
  const hold = () => new Promise<void>((resolve) => release.push(resolve));
  const tryAll = async () => {
    const taken: string[] = [];
    for (const priority of priorities)
      await stage(testCall({ priority }), async () => taken.push(priority)).catch((error) => {
        assert.equal(error.code, "overloaded");
        assert.ok(error.retryAfterMs >= 500 && error.retryAfterMs <= 2_000);
      });
    return taken;
  };
  const running: Promise<void>[] = [];
  const fill = (count: number) => {
    while (running.length < count) running.push(stage(testCall({ priority: "critical" }), hold));
  };
  fill(4);
  assert.deepEqual(await tryAll(), priorities);
  fill(5);
  assert.deepEqual(await tryAll(), ["normal", "critical"]);
  fill(8);
  assert.deepEqual(await tryAll(), ["critical"]);
  fill(10);
  assert.deepEqual(await tryAll(), []);
  for (const resolve of release) resolve();
  await Promise.all(running);
  assert.deepEqual(await tryAll(), priorities);
});

test("a call that fails makes room again", async () => {
  const { stage, figures } = open({ maxQueue: 0 });
  for (let n = 0; n < 40; n++)
    await assert.rejects(
      stage(testCall(), () => Promise.reject(new Error("boom"))),
      { message: "boom" },
    );
  assert.equal(figures()[0]?.inFlight, 0);
});

test("an instance that is behind refuses background calls, far behind normal ones, critical ones never", async () => {
  const taken = async (eventLoopDelayMs: number) => {
    const { stage } = open({ eventLoopDelayMs: 100 }, { eventLoopDelayMs });
    const through: string[] = [];
    for (const priority of priorities)
      await stage(testCall({ priority }), async () => through.push(priority)).catch(() => {});
    return through;
  };
  assert.deepEqual(await taken(100), priorities);
  assert.deepEqual(await taken(101), ["normal", "critical"]);
  assert.deepEqual(await taken(401), ["critical"]);
});

test("a burst waits for its turn: critical calls first and in order, of the others the newest", async () => {
  const { stage, figures } = open({});
  const held = Promise.withResolvers<void>();
  const running = Array.from({ length: 16 }, () =>
    stage(testCall({ priority: "critical" }), () => held.promise),
  );
  const turns: string[] = [];
  const queued = ["background 1", "normal 1", "normal 2", "critical 1", "critical 2"].map((name) => {
    const priority = name.split(" ")[0] as Call["priority"];
    return stage(testCall({ name: `feed.${name}`, service: "feed", priority }), async () => turns.push(name));
  });
  assert.equal(figures()[0]?.waiting, 5);
  held.resolve();
  await Promise.all([...running, ...queued]);
  assert.deepEqual(turns, ["critical 1", "critical 2", "normal 2", "normal 1", "background 1"]);
});

test("a burst that is being served is waited for to its end; a line that more join than are let in is cut short", async () => {
  let clock = 1_000;
  const shed = { minInFlight: 4, maxInFlight: 4, normalPercent: 100 };
  const idle: Pressure = { eventLoopDelayMs: () => 0, poolWaiting: () => 0 };
  const made = createLoadShed(fixedLive({ shed: { "*": shed } }), idle, { now: () => clock });
  const stage = awaited(made.stage);
  const under: (() => void)[] = [];
  const outcomes: string[] = [];
  const send = () =>
    stage(testCall(), () => new Promise<void>((resolve) => under.push(resolve))).then(
      () => outcomes.push("done"),
      (error) => outcomes.push(error.code),
    );
  /** One is answered, and time goes on until the line was looked at again. */
  const step = async () => {
    clock += 20;
    under.shift()?.();
    await pause(15);
  };
  const burst = Array.from({ length: 30 }, send);
  while (outcomes.length < 30) await step();
  await Promise.all(burst);
  assert.deepEqual(new Set(outcomes), new Set(["done"]));
  assert.ok(clock - 1_000 > 500, "it took longer than a line may stand");

  outcomes.length = 0;
  const flood: Promise<unknown>[] = [];
  for (let n = 0; n < 40; n += 1) {
    flood.push(send(), send());
    await step();
  }
  assert.ok(made.figures()[0]?.overloaded);
  assert.ok(outcomes.includes("overloaded"));
  while (made.figures()[0]!.inFlight > 0) await step();
  await Promise.all(flood);
});

test("nobody waits longer than his patience, his deadline or his presence", async () => {
  const { stage, figures } = open({ patienceMs: 40, criticalPatienceMs: 5_000 });
  const held = Promise.withResolvers<void>();
  const running = Array.from({ length: 16 }, () =>
    stage(testCall({ priority: "critical" }), () => held.promise),
  );
  const never = async () => assert.fail("had no turn");
  const peer = { destroyed: false };
  const impatient = stage(testCall(), never);
  const short = stage(testCall({ priority: "critical", deadline: new Deadline(30) }), never);
  const gone = stage(testCall({ priority: "critical", deadline: new Deadline(5_000, peer) }), never);
  peer.destroyed = true;
  await assert.rejects(gone, { code: "cancelled" });
  await assert.rejects(short, { code: "deadline" });
  await assert.rejects(impatient, { code: "overloaded" });
  assert.equal(figures()[0]?.waiting, 0);
  held.resolve();
  await Promise.all(running);
});

test("a call whose time is over is answered; its place is free once it has really ended", async () => {
  const { stage, figures } = open({});
  const held = Promise.withResolvers<void>();
  await assert.rejects(
    stage(testCall({ deadline: new Deadline(10) }), () => held.promise),
    { code: "deadline" },
  );
  assert.equal(figures()[0]?.inFlight, 1);
  held.resolve();
  await pause(1);
  assert.equal(figures()[0]?.inFlight, 0);
});

test("one service that is full leaves the others their room", async () => {
  const { stage } = open({ maxQueue: 0 });
  const held = Promise.withResolvers<void>();
  const running = Array.from({ length: 16 }, () =>
    stage(testCall({ priority: "critical" }), () => held.promise),
  );
  await assert.rejects(
    stage(testCall(), async () => {}),
    { code: "overloaded" },
  );
  const answer = await stage(testCall({ name: "users.me.read", service: "users" }), async () => "answer");
  assert.equal(answer, "answer");
  held.resolve();
  await Promise.all(running);
});

test("a service that is full because the database hangs says so", async () => {
  let hangs = false;
  const pressure: Pressure = { eventLoopDelayMs: () => 0, poolWaiting: () => 9, databaseHangs: () => hangs };
  const settings = { shed: { "*": { minInFlight: 1, maxInFlight: 1, maxQueue: 0 } } };
  const { stage } = createLoadShed(fixedLive(settings), pressure, { now: Date.now });
  const gate = Promise.withResolvers<void>();
  const running = stage(testCall({ priority: "critical" }), () => gate.promise);
  const ask = async () => await stage(testCall(), async () => {});
  await assert.rejects(ask(), { code: "overloaded" });
  hangs = true;
  await assert.rejects(ask(), { code: "unavailable" });
  gate.resolve();
  await running;
});

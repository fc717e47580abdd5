// Limits, numbers and what services take at once, as operators set them, on real engines.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { until } from "@signalbox/control/testing";
import { awaited, testCall } from "@signalbox/gateway/testing";
import type { Actor } from "../ctx.ts";
import { api, as, close, open, workers } from "./testing.ts";

before(open);
after(close);

describe("limits", () => {
  test("have the contract's defaults and are changed everywhere at once", async () => {
    const { items } = await as().limits.list({});
    const shown = (key: string) => items.find((item) => item.key === key);
    assert.deepEqual(
      [shown("user")?.rate, shown("user")?.burst, shown("user")?.isDefault],
      [200, 1_000, true],
    );
    assert.deepEqual(
      [shown("auth.account.register")?.rate, shown("auth.account.register")?.burst],
      [20, 200],
    );

    const changed = await as().limits.set({
      key: "auth.account.register",
      rate: 1,
      burst: 3,
      reason: "a test",
    });
    assert.equal(changed.confirmations.confirmed, 2);
    const caller = { kind: "guest", id: "192.0.2.77", address: "192.0.2.77" } as const;
    const register = () =>
      awaited(workers.ctx.gateway)(
        testCall({ name: "auth.account.register", caller }),
        async () => true,
      ).catch(() => false);
    const taken = await Promise.all(Array.from({ length: 10 }, register));
    assert.equal(taken.filter(Boolean).length, 3);
    await as().limits.set({ key: "feed.post.create", rate: 5, burst: 5, reason: "a limit of its own" });
    assert.equal(
      (await as().limits.list({})).items.find(({ key }) => key === "feed.post.create")?.by,
      "caller",
    );
    await assert.rejects(
      as().limits.set({ key: "nothing", rate: 1, burst: 1, reason: "r" }),
      /nothing is called/,
    );
  });

  test("a reset brings the default back, or takes a limit of its own away, and the log says who did it", async () => {
    const limitOf = async (key: string) => (await as().limits.list({})).items.find((it) => it.key === key);
    await as().limits.set({ key: "auth.session.refresh", rate: 1, burst: 1, reason: "too many" });
    await as().limits.set({ key: "feed.post.delete", rate: 1, burst: 1, reason: "a limit of its own" });
    assert.deepEqual((await limitOf("auth.session.refresh"))?.preset, { rate: 50, burst: 400 });
    await as().limits.reset({ key: "auth.session.refresh", reason: "calm again" });
    await as().limits.reset({ key: "feed.post.delete", reason: "calm again" });
    assert.deepEqual(
      [(await limitOf("auth.session.refresh"))?.rate, (await limitOf("auth.session.refresh"))?.isDefault],
      [50, true],
    );
    assert.equal(await limitOf("feed.post.delete"), undefined);
    await assert.rejects(
      as().limits.reset({ key: "auth.session.refresh", reason: "r" }),
      /at its default already/,
    );
    const resets = await as().audit.list({ kind: "limit.reset", actor: "Ann" });
    assert.deepEqual(
      resets.items.map(({ key }) => key),
      ["feed.post.delete", "auth.session.refresh"],
    );
    assert.deepEqual((await as().audit.list({ kind: "limit", actor: "nobody" })).items, []);
  });
});

test("a number is changed within its bounds, ends by itself, and goes back to its default", async () => {
  const of = async () => (await as().numbers.list({})).items.find((item) => item.key === "feed.pullAbove")!;
  assert.equal((await of()).value, 10_000);
  await as().numbers.set({ key: "feed.pullAbove", value: 250_000, reason: "a benchmark" });
  assert.equal((await of()).value, 250_000);
  await assert.rejects(as().numbers.set({ key: "feed.pullAbove", value: 0, reason: "no" }), /must be from 1/);
  await assert.rejects(
    as().numbers.set({ key: "feed.nothing", value: 1, reason: "no" }),
    /no number is called/,
  );
  await as().numbers.reset({ key: "feed.pullAbove", reason: "done" });
  assert.equal((await of()).value, 10_000);
  await assert.rejects(
    as().numbers.reset({ key: "feed.pullAbove", reason: "done" }),
    /at its default already/,
  );
});

describe("shedding", () => {
  test("what a service takes is set for it or for all, with an end, and shown beside what goes on", async () => {
    const all = await as().shed.set({ key: "*", maxInFlight: 500, reason: "a small machine" });
    assert.deepEqual([all.confirmations.expected, all.confirmations.confirmed], [2, 2]);
    const expiresAt = new Date(Date.now() + 1_500).toISOString();
    await as().shed.set({ key: "feed", tolerance: 3, normalPercent: 50, reason: "a rush", expiresAt });
    await api.ctx.gateway(testCall({ name: "feed.post.read" }), async () => "answer");
    await api.ctx.signals.flush();
    const { items } = await as().shed.list({});
    const services = ["auth", "feed", "moderation", "notifications", "personal", "switches", "users"];
    assert.deepEqual(
      items.map(({ key }) => key),
      ["*", ...services],
    );
    const feed = items.find(({ key }) => key === "feed")!;
    assert.deepEqual(feed.set, { tolerance: 3, normalPercent: 50 });
    assert.equal(feed.values.maxInFlight, 500);
    assert.equal(feed.values.tolerance, 3);
    const lane = feed.instances.find(({ name }) => name === "api")!;
    assert.ok(lane.limit > 0 && lane.inFlight === 0 && !lane.overloaded);
    assert.equal(workers.live.rules().shedOf("feed", Date.now()).normalPercent, 50);
    await until(
      "its time is over",
      () => api.live.rules().shedOf("feed", Date.now()).tolerance === 1.5,
      4_000,
    );
    await until("the log says so", async () =>
      (await as().audit.list({ key: "feed", kind: "shed.expired" })).items.some(
        ({ actor }) => actor.kind === "platform",
      ),
    );
    await as().shed.reset({ key: "*", reason: "a larger machine" });
    assert.equal(workers.live.rules().shedOf("users", Date.now()).maxInFlight, 2_000);
  });

  test("what makes no sense is refused", async () => {
    await assert.rejects(as().shed.set({ key: "feed", reason: "nothing" }), { message: /is needed/ });
    await assert.rejects(as().shed.set({ key: "feeds", maxQueue: 1, reason: "a typo" }), /no service/);
    await assert.rejects(
      as().shed.set({ key: "feed", minInFlight: 9_000, reason: "too much" }),
      /minInFlight/,
    );
    const viewer: Actor = { kind: "operator", id: "vic", name: "Vic", role: "viewer" };
    await assert.rejects(
      as(viewer).shed.set({ key: "feed", maxQueue: 1, reason: "not mine" }),
      /role operator/,
    );
  });
});

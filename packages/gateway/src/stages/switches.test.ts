import assert from "node:assert/strict";
import { test } from "node:test";
import { fixedLive } from "@signalbox/control/live";
import { awaited, testCall } from "../testing.ts";
import { switches } from "./switches.ts";

const at = Date.parse("2030-01-01T00:00:00Z");
const answer = async () => "answered";

test("what is on goes through", async () => {
  const stage = awaited(switches(fixedLive(), () => at));
  assert.equal(await stage(testCall(), answer), "answered");
});

test("what is off is refused with the operator's message and never the reason", async () => {
  const live = fixedLive({
    switches: { feed: { state: "off", message: "Posting is paused.", reason: "the disk of db-3 is full" } },
  });
  await assert.rejects(
    awaited(switches(live, () => at))(testCall(), answer),
    (error: Error & Record<string, unknown>) => {
      assert.equal(error.code, "disabled");
      assert.equal(error.status, 503);
      assert.equal(error.message, "Posting is paused.");
      assert.equal(error.retryAfterMs, 30_000);
      return true;
    },
  );
});

test("a known end is when to come back, and after it calls go through", async () => {
  const live = fixedLive({
    switches: { feed: { state: "off", expiresAt: new Date(at + 12_000).toISOString() } },
  });
  let nowMs = at;
  const stage = awaited(switches(live, () => nowMs));
  await assert.rejects(stage(testCall(), answer), { code: "disabled", retryAfterMs: 12_000 });
  nowMs = at + 12_000;
  assert.equal(await stage(testCall(), answer), "answered");
});

test("a share of callers is refused, each of them always", async () => {
  const live = fixedLive({ switches: { feed: { state: "off", share: 40 } } });
  const stage = awaited(switches(live, () => at));
  const refused = async (id: string) => {
    const call = testCall({ caller: { kind: "user", id, address: "192.0.2.1" } });
    return stage(call, async () => false).catch(() => true);
  };
  let count = 0;
  for (let n = 0; n < 2_000; n++) {
    const first = await refused(`user-${n}`);
    assert.equal(await refused(`user-${n}`), first);
    if (first) count += 1;
  }
  assert.ok(Math.abs(count - 800) < 100, `${count} of 2000`);
});

test("instead of a refusal a call goes on with less, or with what is kept", async () => {
  const run = async (instead: "degrade" | "stale") => {
    const call = testCall();
    const stage = switches(
      fixedLive({ switches: { feed: { state: "off", instead, message: "busy" } } }),
      () => at,
    );
    assert.equal(await stage(call, answer), "answered");
    return call;
  };
  const degraded = await run("degrade");
  assert.equal(degraded.deadline.isLessened, true);
  assert.equal(degraded.deadline.barred, undefined);
  const stale = await run("stale");
  assert.equal(stale.headers.Degraded, "stale");
  assert.throws(() => stale.deadline.throwIfBarred(), { code: "disabled", message: "busy" });
});

test("only those whom it is aimed at are refused", async () => {
  const targets = [{ attribute: "appVersion", is: "below" as const, values: ["2.0"] }];
  const stage = awaited(switches(fixedLive({ switches: { feed: { state: "off", targets } } }), () => at));
  const caller = { kind: "user" as const, id: "user-1", address: "192.0.2.1" };
  assert.equal(await stage(testCall({ caller }), answer), "answered");
  assert.equal(await stage(testCall({ caller: { ...caller, appVersion: "2.0.1" } }), answer), "answered");
  const old = testCall({ caller: { ...caller, appVersion: "1.9" } });
  await assert.rejects(stage(old, answer), { code: "disabled" });
});

test("behind a gateway nobody is refused again, and what a call gets instead holds there", async () => {
  const off = fixedLive({ switches: { feed: { state: "off" }, users: { state: "off", instead: "stale" } } });
  const stage = switches(off, () => at, { isBehind: true });
  assert.equal(await stage(testCall(), answer), "answered");
  const call = testCall({ name: "users.profile.read" });
  await stage(call, answer);
  assert.ok(call.deadline.barred);
});

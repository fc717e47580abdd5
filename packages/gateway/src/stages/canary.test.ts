import assert from "node:assert/strict";
import { test } from "node:test";
import { fixedLive } from "@signalbox/control/live";
import type { SettingsInput } from "@signalbox/control/settings";
import { testCall } from "../testing.ts";
import { canary } from "./canary.ts";

const release = (weight: number): SettingsInput => ({
  canaries: {
    c1: { id: "c1", target: { kind: "release", service: "feed", version: "2" }, weight, salt: "c1" },
  },
});

async function variants(settings: SettingsInput, name = "feed.post.create"): Promise<Set<string>> {
  const stage = canary(fixedLive(settings));
  const chosen = new Set<string>();
  for (let n = 0; n < 2_000; n++) {
    const id = `user-${n}`;
    const caller = { kind: "user" as const, id, address: "192.0.2.1" };
    const call = testCall({ name, caller, elsewhere: { counted: false } });
    await stage(call, async () => {
      if (call.variant === "canary") chosen.add(id);
    });
  }
  return chosen;
}

test("without a canary everyone is stable", async () => {
  assert.equal((await variants({})).size, 0);
  assert.equal((await variants(release(0))).size, 0);
  assert.equal((await variants(release(50), "users.profile.read")).size, 0);
});

test("a weight is its share of callers, who keep the canary while it grows", async () => {
  const few = await variants(release(10));
  const many = await variants(release(60));
  assert.ok(Math.abs(few.size - 200) < 50, `${few.size} of 2000`);
  for (const id of few) assert.ok(many.has(id));
  assert.equal((await variants(release(100))).size, 2_000);
});

test("a canary of one path leaves its neighbours alone", async () => {
  const settings: SettingsInput = {
    canaries: { c2: { id: "c2", target: { kind: "switch", key: "feed.post" }, weight: 100, salt: "c2" } },
  };
  assert.equal((await variants(settings, "feed.post.create")).size, 2_000);
  assert.equal((await variants(settings, "feed.home.read")).size, 0);
});

test("a release has one track where no instance is chosen", async () => {
  const call = testCall();
  await canary(fixedLive(release(100)))(call, async () => {});
  assert.equal(call.variant, "stable");
  assert.equal(call.arm, undefined);
});

test("a tester who knows the id chooses, and is no evidence", async () => {
  const choose = async (weight: number, override: string, state?: "aborted") => {
    const settings = release(weight);
    if (state) settings.canaries!.c1!.state = state;
    const call = testCall({ override, elsewhere: { counted: false } });
    await canary(fixedLive(settings))(call, async () => {});
    return [call.variant, call.arm?.asked];
  };
  assert.deepEqual(await choose(0, "c1"), ["canary", true]);
  assert.deepEqual(await choose(100, "c1=stable"), ["stable", true]);
  assert.deepEqual(await choose(100, "another"), ["canary", false]);
  assert.deepEqual(
    await choose(0, "c1", "aborted"),
    ["stable", undefined],
    "a canary that was aborted is gone for all",
  );
});

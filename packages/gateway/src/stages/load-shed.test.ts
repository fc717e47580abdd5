import assert from "node:assert/strict";
import { test } from "node:test";
import { fixedLive } from "@signalbox/control/live";
import type { Call } from "../pipeline.ts";
import { testCall } from "../testing.ts";
import { loadShed } from "./load-shed.ts";

const priorities: Call["priority"][] = ["background", "normal", "critical"];

test("as calls pile up, background ones are refused first and critical ones last", async () => {
  const live = fixedLive({ shed: { maxInFlight: 10, normalPercent: 80, backgroundPercent: 50 } });
  const stage = loadShed(live, () => 0);
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
  const stage = loadShed(fixedLive({ shed: { maxInFlight: 1, normalPercent: 100 } }), () => 0);
  for (let n = 0; n < 3; n++)
    await assert.rejects(
      stage(testCall(), () => Promise.reject(new Error("boom"))),
      { message: "boom" },
    );
});

test("an instance that is behind refuses background calls, far behind normal ones, critical ones never", async () => {
  const live = fixedLive({ shed: { eventLoopDelayMs: 100 } });
  const taken = async (delay: number) => {
    const stage = loadShed(live, () => delay);
    const through: string[] = [];
    for (const priority of priorities)
      await stage(testCall({ priority }), async () => through.push(priority)).catch(() => {});
    return through;
  };
  assert.deepEqual(await taken(100), priorities);
  assert.deepEqual(await taken(101), ["normal", "critical"]);
  assert.deepEqual(await taken(401), ["critical"]);
});

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { fixedLive } from "@signalbox/control/live";
import { testWorld, type World } from "@signalbox/modules/testing";
import { startAskedWork } from "./asked-work.ts";

const live = fixedLive({ switches: { "personal.request.run": { state: "off" } } });
let world: World;
let work: ReturnType<typeof startAskedWork>;
before(async () => {
  world = await testWorld({ deps: { live } });
  work = startAskedWork(world.deps, 50);
});
after(async () => {
  await work?.close();
  await world?.close();
});

test("what people asked for waits while it is switched off, and is done once it is on", async () => {
  const ann = await world.user("ann_asks");
  const { id } = await ann.personal.export.create();
  const state = async () => (await ann.personal.export.read({ id })).state;
  await pause(400);
  assert.equal(await state(), "waiting");
  live.set({});
  for (let left = 400; (await state()) !== "done"; left -= 1) {
    assert.ok(left > 0, "it is not done");
    await pause(25);
  }
});

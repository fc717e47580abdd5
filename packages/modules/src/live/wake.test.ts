import assert from "node:assert/strict";
import { on } from "node:events";
import { after, before, test } from "node:test";
import { newId } from "@signalbox/core/ids";
import { testWorld, type World } from "../testing.ts";
import { sayGone, sayLive, wakeChannel, wakeLive } from "./wake.ts";

let world: World;
before(async () => {
  world = await testWorld();
});
after(() => world.close());

const people = (count: number) => Array.from({ length: count }, newId);

for (const count of [3, 1_500])
  test(`of ${count} people those are woken who are live, whether they are the few or the many`, async (t) => {
    const { redis, log } = world.deps;
    const all = people(count);
    const listener = redis.duplicate();
    await listener.subscribe(wakeChannel);
    t.after(() => listener.disconnect());
    const woken = async () => {
      const told = on(listener, "message", { signal: AbortSignal.timeout(30_000) });
      await wakeLive({ redis, log }, all);
      for await (const [, text] of told) {
        const ids = new Set(String(text).split(" "));
        // Others may be told of their own people meanwhile.
        if (all.some((id) => ids.has(id))) return ids;
      }
    };
    const others = people(20);
    await sayLive(redis, [all[1]!, ...others]);
    assert.deepEqual(await woken(), new Set([all[1]]));
    // More than are asked about, so that nobody can be left out because there are so many.
    const crowd = people(2_000);
    await sayLive(redis, [...crowd, all[0]!]);
    assert.deepEqual(await woken(), new Set([all[0], all[1]]));
    for (const id of [...all.slice(0, 2), ...others, ...crowd]) await sayGone(redis, id);
  });

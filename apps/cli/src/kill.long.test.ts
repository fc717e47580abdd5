import assert from "node:assert/strict";
import { test } from "node:test";
import { startInstallForTest } from "./testing/install.ts";
import { killWhileWriting } from "./testing/kill-drill.ts";

for (const round of [1, 2, 3, 4, 5]) {
  test(`2,000 writes survive twenty kills, round ${round}`, async (t) => {
    const install = await startInstallForTest({ portBase: 21_000 });
    t.after(() => install.stop());
    const { acknowledged, refused, kills, missing, twice, swapped } = await killWhileWriting(install, {
      writes: 2_000,
      kills: 20,
    });
    t.diagnostic(`${acknowledged} acknowledged, ${refused} refused while a part was away`);
    assert.deepEqual({ kills, missing, twice, swapped }, { kills: 20, missing: [], twice: [], swapped: [] });
  });
}

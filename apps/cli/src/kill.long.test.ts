import assert from "node:assert/strict";
import { test } from "node:test";
import { startInstallForTest } from "./testing/install.ts";
import { killWhileWriting } from "./testing/kill-drill.ts";

/** 50,000 writes and 100 kills, in rounds on an install of their own each. */
const rounds = Number(process.env.TEST_ROUNDS ?? 10);
const portBase = Number(process.env.TEST_PORT_BASE ?? 21_000);

for (let round = 1; round <= rounds; round += 1) {
  test(`5,000 writes survive ten kills, round ${round} of ${rounds}`, async (t) => {
    const install = await startInstallForTest({ portBase });
    t.after(() => install.stop());
    const { acknowledged, refused, kills, ...faults } = await killWhileWriting(install, {
      writes: 5_000,
      kills: 10,
      authors: 8,
    });
    t.diagnostic(
      `${JSON.stringify(acknowledged)} acknowledged, ${refused} refused while a part was away, ${kills} kills`,
    );
    assert.deepEqual({ kills, ...faults }, { kills: 10, lost: [], twice: [], swapped: [] });
  });
}

import assert from "node:assert/strict";
import { test } from "node:test";
import { startInstallForTest } from "./testing/install.ts";
import { killWhileWriting } from "./testing/kill-drill.ts";

test("every acknowledged post is in the follower's feed, once and in order, though each part is killed while people write", async (t) => {
  const install = await startInstallForTest({ portBase: 21_000 });
  t.after(() => install.stop());
  const { kills, missing, twice, swapped } = await killWhileWriting(install, { writes: 300, kills: 5 });
  assert.deepEqual({ kills, missing, twice, swapped }, { kills: 5, missing: [], twice: [], swapped: [] });
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { startInstallForTest } from "./testing/install.ts";
import { killWhileWriting } from "./testing/kill-drill.ts";

test("posts, answers, likes, reposts and deletions take effect once and in order, though each part is killed while people write", async (t) => {
  const install = await startInstallForTest({ portBase: 21_000 });
  t.after(() => install.stop());
  const { kills, lost, twice, swapped } = await killWhileWriting(install, { writes: 200, kills: 5 });
  assert.deepEqual({ kills, lost, twice, swapped }, { kills: 5, lost: [], twice: [], swapped: [] });
});

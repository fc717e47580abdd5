import assert from "node:assert/strict";
import { test } from "node:test";
import { flushWhileReading } from "./testing/flush-drill.ts";
import { freePortBase } from "./testing/harness.ts";
import { startInstallForTest } from "./testing/install.ts";

test("after a FLUSHALL under load the first read of each of 40 readers takes at most 250 ms", async (t) => {
  const install = await startInstallForTest({ portBase: await freePortBase() });
  t.after(() => install.stop());
  const readers = 40;
  const { reads, failed, missing, statements, calm, firstMs } = await flushWhileReading(install, {
    readers,
    authors: 10,
    posts: 600,
    atOnce: 1,
    // About 130 reads a second: under load, and not beyond what the machine can do.
    pauseMs: 300,
  });
  t.diagnostic(
    `${reads} reads, ${statements} statements beyond ${calm}, first reads ${JSON.stringify(firstMs)}`,
  );
  assert.deepEqual(missing, []);
  assert.equal(failed, 0);
  assert.ok(statements < readers * 25 + 400, `${statements} statements`);
  assert.ok(firstMs.p99 <= 250, `the slowest first read took ${firstMs.p99} ms`);
});

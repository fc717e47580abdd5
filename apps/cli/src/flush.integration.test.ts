import assert from "node:assert/strict";
import { test } from "node:test";
import { flushWhileReading } from "./testing/flush-drill.ts";
import { freePortBase } from "./testing/harness.ts";
import { startInstallForTest } from "./testing/install.ts";

test("after a FLUSHALL under load no post is missing, no read fails, and the database is asked once for each thing", async (t) => {
  const install = await startInstallForTest({ portBase: await freePortBase() });
  t.after(() => install.stop());
  const readers = 8;
  const { reads, failed, missing, statements, calm, written, firstMs } = await flushWhileReading(install, {
    readers,
    authors: 3,
    posts: 45,
    atOnce: 4,
    pauseMs: 50,
  });
  t.diagnostic(
    `${reads} reads, ${statements} statements beyond ${calm}, first reads ${JSON.stringify(firstMs)}`,
  );
  assert.deepEqual(missing, []);
  assert.equal(failed, 0);
  // For each reader: whom he follows, blocks, mutes, what he marked, pages until his list is there, and that list; for all together
  // the posts. For the bus: three of each of its 32 leases, and of each event that comes again the post and its followers.
  const most = readers * 25 + 100 + 32 * 3 + written * 2;
  assert.ok(statements < most, `${statements} statements, at most ${most}`);
});

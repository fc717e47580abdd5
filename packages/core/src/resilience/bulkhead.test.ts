import assert from "node:assert/strict";
import { test } from "node:test";
import { createBulkhead } from "./bulkhead.ts";
import { Deadline } from "./deadline.ts";

const settled = () => new Promise((resolve) => setImmediate(resolve));

test("so many run, so many wait in order, the rest are refused", async () => {
  const bulkhead = createBulkhead({ title: "mail", maxConcurrent: 2, maxQueue: 2, maxWaitMs: 1_000 });
  const begun: number[] = [];
  const ends: (() => void)[] = [];
  const ask = (n: number) =>
    bulkhead.run(() => {
      begun.push(n);
      return new Promise<void>((resolve) => ends.push(resolve));
    });
  const all = [1, 2, 3, 4].map(ask);
  await settled();
  assert.deepEqual(begun, [1, 2]);
  await assert.rejects(ask(5), { code: "overloaded" });
  assert.deepEqual(bulkhead.figures(), { running: 2, waiting: 2, maxConcurrent: 2, maxQueue: 2, refused: 1 });
  for (let n = 0; n < 4; n++) {
    ends[n]!();
    await settled();
  }
  await Promise.all(all);
  assert.deepEqual(begun, [1, 2, 3, 4]);
  assert.equal(bulkhead.figures().running, 0);
});

test("nobody waits longer than it makes sense, nor past the end of the call", async () => {
  const bulkhead = createBulkhead({ title: "mail", maxConcurrent: 1, maxQueue: 9, maxWaitMs: 30 });
  const held = Promise.withResolvers<void>();
  const first = bulkhead.run(() => held.promise);
  await assert.rejects(
    bulkhead.run(async () => {}),
    { code: "overloaded" },
  );
  await assert.rejects(
    bulkhead.run(async () => {}, new Deadline(5)),
    { code: "deadline" },
  );
  assert.equal(bulkhead.figures().waiting, 0);
  held.resolve();
  await first;
  assert.equal(await bulkhead.run(async () => "room again"), "room again");
});

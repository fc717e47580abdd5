import assert from "node:assert/strict";
import { test } from "node:test";
import { createEjection } from "./ejection.ts";

test("five failures in a row are worth an ejection, and so is every other call of many", () => {
  const row = createEjection();
  assert.deepEqual(
    [1, 2, 3, 4, 5].map((at) => row.fail(at)),
    [false, false, false, false, true],
  );
  const mixed = createEjection();
  let worth = false;
  for (let at = 0; at < 24; at += 1) {
    if (at % 2 === 0) mixed.ok(at);
    else worth = mixed.fail(at);
  }
  assert.equal(worth, true);
  const rare = createEjection();
  for (let at = 0; at < 100; at += 1) {
    if (at % 10 === 0) assert.equal(rare.fail(at), false);
    else rare.ok(at);
  }
});

test("each time it stays out for longer; on its return one failure is enough; after a well while it begins anew", () => {
  const one = createEjection();
  one.eject(0);
  const first = one.until;
  assert.ok(first >= 1_600 && first <= 2_400);
  assert.ok(one.isOut(first - 1) && !one.isOut(first));
  assert.equal(one.fail(first + 1), true);
  one.eject(first + 1);
  assert.ok(one.until - first > 3_000);
  one.ok(one.until + 60_000);
  const from = one.until + 60_001;
  one.eject(from);
  assert.ok(one.until - from <= 2_400);
});

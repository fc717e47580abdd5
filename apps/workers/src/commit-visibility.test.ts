import assert from "node:assert/strict";
import { test } from "node:test";
import { isVisible, readSnapshot } from "./commit-visibility.ts";

test("a transaction is visible once it is below the snapshot, or in it and not running", () => {
  const snapshot = readSnapshot("100:110:103,107");
  assert.deepEqual(
    [99, 100, 103, 106, 107, 109, 110, 500].map((xid) => isVisible(snapshot, xid)),
    [true, true, false, true, false, true, false, false],
  );
  assert.equal(isVisible(readSnapshot("100:100:"), 99), true);
});

test("numbers begin anew after four thousand million, and are still told apart", () => {
  const turn = 2n ** 32n;
  const snapshot = readSnapshot(`${turn - 2n}:${turn + 5n}:${turn - 2n},${turn + 1n}`);
  assert.equal(isVisible(snapshot, Number(turn - 3n)), true);
  assert.equal(isVisible(snapshot, Number(turn - 2n) | 0), false);
  assert.equal(isVisible(snapshot, Number(turn - 1n)), true);
  assert.equal(isVisible(snapshot, 1), false);
  assert.equal(isVisible(snapshot, 4), true);
  assert.equal(isVisible(snapshot, 5), false);
});

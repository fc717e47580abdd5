import assert from "node:assert/strict";
import { test } from "node:test";
import { createGenerations } from "./generations.ts";

test("what is used stays, what is not goes, and there are never more than the bound", () => {
  const kept = createGenerations<number>(100);
  kept.set("used", 0);
  for (let n = 1; n <= 10_000; n++) {
    kept.set(`key-${n}`, n);
    if (n % 20 === 0) assert.equal(kept.get("used"), 0, `after ${n}`);
    assert.ok(kept.size <= 100);
  }
  assert.equal(kept.get("key-10000"), 10_000);
  assert.equal(kept.get("key-1"), undefined);
});

test("a newer value hides the older one, and a deleted key is gone from both", () => {
  const kept = createGenerations<number>(10);
  kept.set("a", 1);
  kept.turn();
  kept.set("a", 2);
  assert.equal(kept.get("a"), 2);
  assert.deepEqual([...kept.values()], [2]);
  kept.delete("a");
  assert.equal(kept.get("a"), undefined);
});

test("what was not used for two turns is gone", () => {
  const kept = createGenerations<number>(10);
  kept.set("a", 1);
  kept.set("b", 2);
  kept.turn();
  assert.equal(kept.get("a"), 1);
  kept.turn();
  assert.deepEqual([kept.get("a"), kept.get("b"), kept.size], [1, undefined, 1]);
});

test("a million keys cost no more each than the first ones", () => {
  const kept = createGenerations<number>(100_000);
  const began = performance.now();
  for (let n = 0; n < 1_000_000; n++) kept.set(`key-${n}`, n);
  assert.ok(performance.now() - began < 10_000, `${performance.now() - began} ms`);
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { Passing } from "./passing.ts";

test("whatever comes and goes, what stays is there, in the order in which it came", () => {
  const passing = new Passing<string, number>();
  const stays = ["a", "b", "c"];
  for (const [at, key] of stays.entries()) passing.set(key, at);
  for (let n = 0; n < 10_000; n++) {
    passing.set(`key-${n}`, n);
    if (n >= 5) passing.delete(`key-${n - 5}`);
    assert.equal(passing.first(), 0);
    assert.equal(passing.size, stays.length + Math.min(n + 1, 5));
  }
  assert.deepEqual(
    Array.from(passing.all(), ([key]) => key),
    [...stays, ...[5, 4, 3, 2, 1].map((n) => `key-${10_000 - n}`)],
  );
  assert.equal(passing.get("key-9999"), 9_999);
  assert.equal(passing.get("key-1"), undefined);
  const met: string[] = [];
  for (const [key] of passing.all()) {
    met.push(key);
    passing.delete("b");
    passing.set("late", 1);
  }
  assert.deepEqual(met.slice(0, 3), ["a", "c", "key-9995"]);
  assert.ok(!met.includes("late"));
  passing.clear();
  assert.equal(passing.size, 0);
  assert.equal(passing.first(), undefined);
});

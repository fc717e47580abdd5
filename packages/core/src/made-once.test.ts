import assert from "node:assert/strict";
import { test } from "node:test";
import { madeOnce } from "./made-once.ts";

test("a pair is made once, and its order counts", () => {
  const made: string[] = [];
  const pair = madeOnce((one, other) => {
    made.push(`${one}, ${other}`);
    return `${one}, ${other}`;
  });
  for (let n = 0; n < 3; n++) {
    assert.equal(pair("a", "b"), "a, b");
    assert.equal(pair("b", "a"), "b, a");
  }
  assert.deepEqual(made, ["a, b", "b, a"]);
});

test("ever new pairs are answered rightly, and are forgotten", () => {
  let made = 0;
  const pair = madeOnce((one, other) => {
    made += 1;
    return one + other;
  });
  pair("kept", "pair");
  for (let n = 0; n < 1_000; n++) assert.equal(pair(`one${n}`, "other"), `one${n}other`);
  for (let n = 0; n < 1_000; n++) assert.equal(pair("one", `other${n}`), `oneother${n}`);
  const before = made;
  assert.equal(pair("kept", "pair"), "keptpair");
  assert.equal(made, before + 1);
});

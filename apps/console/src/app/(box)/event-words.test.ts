import assert from "node:assert/strict";
import { test } from "node:test";
import { rateWords, tellEvent } from "./event-words.ts";

const words = (kind: string, after: unknown, before: unknown = null) =>
  tellEvent({ kind, before, after }).words;

test("acts of the log read as sentences", () => {
  assert.equal(words("switch.set", { state: "off", share: 25 }), "Turned off for 25%");
  assert.equal(words("switch.expired", null), "Time over: on");
  assert.equal(
    words("limit.set", { rate: 5, burst: 10, perSeconds: 1 }, { rate: 200, burst: 1_000 }),
    "Set to 5/s, bursts of 10, before 200/s, bursts of 1,000",
  );
  assert.equal(words("limit.reset", null), "Back to its default");
  assert.equal(
    words("case.decided", { removePost: true, suspend: true }),
    "Reports upheld: post deleted, author suspended",
  );
});

test("a kind that is not known, and a value of another shape, are still told", () => {
  assert.equal(words("weather.was_changed", { any: 1 }), "Weather was changed");
  assert.equal(words("switch.set", { state: "half" }), "Changed");
  assert.equal(words("limit.set", { rate: "fast" }), "Set to ?/s");
});

test("a rate names its span", () => {
  assert.equal(rateWords({ rate: 10, burst: 10, perSeconds: 900 }), "10 in 15 min, bursts of 10");
  assert.equal(rateWords({ rate: 5, perSeconds: 3_600 }), "5 in 1 h");
  assert.equal(rateWords({ rate: 5, burst: 5, perSeconds: 1, algorithm: "sliding-window" }), "5/s");
});

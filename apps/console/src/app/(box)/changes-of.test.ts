import assert from "node:assert/strict";
import { test } from "node:test";
import { changesOf } from "./changes-of.ts";

test("only what differs is told, and what nobody had set is what holds without it", () => {
  const off = { state: "off", share: 25, targets: [], message: "Soon.", salt: "x", order: 3 };
  assert.deepEqual(changesOf(null, off), [
    { field: "state", from: "on", to: "off" },
    { field: "share", from: "100", to: "25" },
    { field: "message", from: "–", to: "Soon." },
  ]);
  assert.deepEqual(changesOf(off, { ...off, share: 50, reason: "more" }), [
    { field: "share", from: "25", to: "50" },
  ]);
  assert.deepEqual(changesOf(null, null), []);
});

test("conditions read as sentences, and what lies deeper has its path", () => {
  const targets = [{ attribute: "region", is: "in", values: ["eu", "us"] }];
  assert.deepEqual(changesOf({ state: "off" }, { state: "off", targets }), [
    { field: "targets", from: "–", to: "region is eu or us" },
  ]);
  assert.deepEqual(changesOf({ change: { state: "on" } }, { change: { state: "off" } }), [
    { field: "change.state", from: "on", to: "off" },
  ]);
});

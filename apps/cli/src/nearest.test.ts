import assert from "node:assert/strict";
import { test } from "node:test";
import { nearest } from "./nearest.ts";

const commands = ["up", "down", "status", "logs", "doctor", "test", "check", "bench"];

test("a mistyped word finds the one that was meant", () => {
  const meant = {
    upp: "up",
    dwon: "down",
    stauts: "status",
    log: "logs",
    docter: "doctor",
    tset: "test",
    be: "bench",
  };
  for (const [typed, word] of Object.entries(meant)) assert.equal(nearest(typed, commands), word);
});

test("a word unlike all others finds none", () => {
  assert.equal(nearest("kubernetes", commands), undefined);
  assert.equal(nearest("x", []), undefined);
});

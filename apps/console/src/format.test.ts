import assert from "node:assert/strict";
import { test } from "node:test";
import {
  ago,
  bytes,
  compact,
  count,
  duration,
  milliseconds,
  percent,
  sentenceCase,
  until,
} from "./format.ts";

const table = (
  format: (value: number | null | undefined) => string,
  rows: [number | null | undefined, string][],
) => {
  for (const [value, text] of rows) assert.equal(format(value), text, `${value}`);
};

test("a rate keeps the digits that matter", () => {
  table(compact, [
    [0, "0"],
    [0.004, "<0.01"],
    [0.2, "0.2"],
    [0.256, "0.26"],
    [4, "4"],
    [42.06, "42.1"],
    [99.96, "100"],
    [1204.4, "1,204"],
    [9_999.4, "9,999"],
    [12_340, "12.3k"],
    [999_600, "1M"],
    [2_500_000, "2.5M"],
    [Number.NaN, "–"],
    [null, "–"],
    [undefined, "–"],
  ]);
});

test("an error share that is not nothing never reads as 0, and one that is not all never as 100", () => {
  table(percent, [
    [0, "0%"],
    [0.00001, "<0.01%"],
    [0.0012, "0.12%"],
    [0.015, "1.5%"],
    [0.25, "25%"],
    [0.9993, "99.93%"],
    [1, "100%"],
    [null, "–"],
  ]);
});

test("a latency changes its unit where a reader would", () => {
  table(milliseconds, [
    [0, "0 ms"],
    [0.001, "0.01 ms"],
    [0.42, "0.42 ms"],
    [4.25, "4.3 ms"],
    [10, "10 ms"],
    [412.4, "412 ms"],
    [999.7, "1 s"],
    [1_234, "1.23 s"],
    [12_340, "12.3 s"],
    [90_000, "1.5 min"],
    [null, "–"],
  ]);
});

test("a count is whole and grouped", () => {
  table(count, [
    [0, "0"],
    [1234567, "1,234,567"],
    [undefined, "–"],
  ]);
});

test("time past and time left are said in one unit", () => {
  assert.equal(duration(59_999), "59 s");
  assert.equal(duration(61_000), "1 min");
  assert.equal(duration(3_600_000), "1 h");
  assert.equal(duration(200_000_000), "2 d");
  assert.equal(ago(1_000, 1_200), "just now");
  assert.equal(ago(0, 240_000), "4 min ago");
  assert.equal(until(0, 1), "now");
  assert.equal(until(90_000, 0), "in 90 s");
  assert.equal(until(15 * 60_000, 2_000), "in 15 min");
});

test("memory is told in the unit that fits", () => {
  table(bytes, [
    [0, "0 kB"],
    [1_500, "2 kB"],
    [134_217_728, "128 MB"],
    [1_610_612_736, "1.5 GB"],
    [undefined, "–"],
  ]);
});

test("a sentence begins with a capital letter, a name never does", () => {
  assert.equal(sentenceCase("it is off"), "It is off");
  assert.equal(sentenceCase("feed.post.create was changed"), "feed.post.create was changed");
});

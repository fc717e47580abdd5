import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { judgeAgain, judgeSignals, readSignals, signalColumns } from "./recorded.ts";
import { templates } from "./rules.ts";

const vector = (name: string) => readFileSync(new URL(`../../vectors/${name}`, import.meta.url), "utf8");
const quick = { steps: [...templates.quick] };
const actsOf = (text: string) => judgeSignals(readSignals(text), quick).acts.map(({ act }) => act);

test("signals recorded on real processes: a good canary takes its step, one that begins to fail is turned back", () => {
  assert.deepEqual(actsOf(vector("signals-good.csv")), ["advance"]);
  const { acts, verdict } = judgeSignals(readSignals(vector("signals-failing.csv")), quick);
  assert.deepEqual(
    acts.map(({ seconds, act }) => [seconds, act]),
    [[47, "abort"]],
  );
  assert.equal(verdict.verdict, "regressed");
});

test("what is missing in a recording, or can not be, takes no step", () => {
  const [comment, head, ...lines] = vector("signals-good.csv").trim().split("\n");
  const text = (some: string[]) => [comment, head, ...some].join("\n");
  assert.deepEqual(actsOf(text(lines)), ["advance"]);
  // Nobody was heard when the step ended: it waits until somebody is. Too few were; the counts can not be.
  const gap = [...lines.slice(0, 6), "85,100,0,0,0,100,0,0,0"];
  assert.deepEqual(
    judgeSignals(readSignals(text(gap)), quick).acts.map(({ seconds }) => seconds),
    [92],
  );
  assert.deepEqual(actsOf(text(lines.map((line) => line.replace(/^(\d+),.*/, "$1,9,0,0,0,9,0,0,0")))), []);
  assert.deepEqual(actsOf(text(lines.map((line) => line.replace(/^(\d+),(\d+)/, "$1,")))), []);
  assert.deepEqual(actsOf(text(lines.map((line) => line.replace(/^(\d+),.*/, "$1,9,99,0,0,9,0,0,0")))), []);
});

test("a file that is no recording is refused with its line", () => {
  for (const [text, why] of [
    ["a,b", /line 1: must name the columns/],
    [`${signalColumns.join()}\n0,1,2`, /line 2: has 3 columns/],
    [`${signalColumns.join()}\n5,1,0,0,0,1,0,0,0\n5,1,0,0,0,1,0,0,0`, /line 3: second must rise/],
    [`${signalColumns.join()}\nx,1,0,0,0,1,0,0,0`, /line 2: second must rise/],
  ] as const)
    assert.throws(() => readSignals(text), { code: "malformed", message: why });
});

test("decisions that were kept are the same when they are judged again", () => {
  const again = judgeAgain(JSON.parse(vector("canary-decisions.json")));
  assert.deepEqual(
    again.map(({ act, isSame }) => [act, isSame]),
    ["advance", "advance", "promote", "abort", "abort"].map((act) => [act, true]),
  );
});

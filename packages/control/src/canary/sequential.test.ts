import assert from "node:assert/strict";
import { test } from "node:test";
import published from "../../vectors/published.json" with { type: "json" };
import {
  errorOdds,
  intervalOf,
  mixed,
  requestsToSee,
  slotEvidence,
  slowOdds,
  smallestSeen,
  tailOf,
} from "./sequential.ts";
import { seeded } from "./simulate.ts";

const near = (actual: number, expected: number, within = 1e-9) =>
  assert.ok(
    Math.abs(actual - expected) <= within * Math.max(1, Math.abs(expected)),
    `${actual}, not ${expected}`,
  );

function choose(n: number, k: number): number {
  let ways = 1;
  for (let at = 1; at <= k; at++) ways = (ways * (n - k + at)) / at;
  return ways;
}

test("with both sides alike a slot's evidence is worth exactly 1 on average, whatever else is so", () => {
  const random = seeded(7);
  for (let round = 0; round < 300; round++) {
    const own = 1 + Math.floor(random() * 40);
    const other = 1 + Math.floor(random() * 60);
    const wrong = Math.floor(random() * (own + other + 1));
    const sums = errorOdds.map(() => 0);
    for (let x = Math.max(0, wrong - other); x <= Math.min(wrong, own); x++) {
      const chance = (choose(own, x) * choose(other, wrong - x)) / choose(own + other, wrong);
      const logs = slotEvidence({ n: own, x }, { n: other, x: wrong - x }, errorOdds, 1);
      for (const [at, log] of logs.entries()) sums[at]! += chance * Math.exp(log);
    }
    for (const sum of sums) near(sum, 1, 1e-7);
  }
});

test("with a canary that is better, or within what is tolerated, it is worth less than 1", () => {
  const random = seeded(8);
  for (let round = 0; round < 100; round++) {
    const [own, other] = [5 + Math.floor(random() * 30), 5 + Math.floor(random() * 30)];
    const wrong = 1 + Math.floor(random() * (own + other - 2));
    const tolerated = 1.5;
    const odds = 0.2 + random() * 1.3;
    const from = Math.max(0, wrong - other);
    const weights = Array.from(
      { length: Math.min(wrong, own) - from + 1 },
      (_, at) => choose(own, from + at) * choose(other, wrong - from - at) * odds ** (from + at),
    );
    const all = weights.reduce((sum, weight) => sum + weight, 0);
    const sums = slowOdds.map(() => 0);
    for (const [at, weight] of weights.entries()) {
      const x = from + at;
      const logs = slotEvidence({ n: own, x }, { n: other, x: wrong - x }, slowOdds, tolerated);
      for (const [index, log] of logs.entries()) sums[index]! += (weight / all) * Math.exp(log);
    }
    for (const sum of sums) assert.ok(sum <= 1 + 1e-9, `${sum}`);
  }
});

test("the arithmetic gives what others published", () => {
  for (const { source, canary, stable, chance, within } of published.exact)
    assert.ok(
      Math.abs(tailOf(canary, stable) / chance - 1) <= within,
      `${source}: ${tailOf(canary, stable)}`,
    );
  for (const { source, n, x, low, high } of published.intervals) {
    const interval = intervalOf({ n, x });
    assert.deepEqual(
      [interval.low.toFixed(4), interval.high.toFixed(4)],
      [low.toFixed(4), high.toFixed(4)],
      source,
    );
  }
});

test("what can not differ is evidence of nothing", () => {
  const nothing = errorOdds.map(() => 0);
  assert.deepEqual(slotEvidence({ n: 0, x: 0 }, { n: 500, x: 20 }, errorOdds, 1.1), nothing);
  assert.deepEqual(slotEvidence({ n: 25, x: 0 }, { n: 500, x: 0 }, errorOdds, 1.1), nothing);
  assert.deepEqual(slotEvidence({ n: 25, x: 25 }, { n: 500, x: 500 }, errorOdds, 1.1), nothing);
  assert.equal(mixed(nothing), 0);
});

test("recorded: ten slots of a canary with 2 % errors beside 0.1 %", () => {
  const slots: [number, number, number, number][] = [
    [25, 1, 475, 0],
    [24, 0, 480, 1],
    [26, 1, 470, 0],
    [25, 0, 475, 0],
    [27, 0, 481, 1],
    [25, 2, 475, 0],
    [22, 0, 466, 0],
    [25, 0, 475, 2],
    [28, 1, 475, 0],
    [25, 1, 477, 0],
  ];
  const logs = errorOdds.map(() => 0);
  for (const [n, x, m, y] of slots)
    for (const [at, log] of slotEvidence({ n, x }, { n: m, x: y }, errorOdds, 1.1).entries())
      logs[at]! += log;
  // In exact fractions, by another program.
  near(mixed(logs), 9.387867100834061, 1e-9);
});

test("an interval holds the share, and nothing counted says nothing", () => {
  assert.deepEqual(intervalOf({ n: 0, x: 0 }), { low: 0, high: 1 });
  // Wilson 1927, as recomputed by Newcombe 1998: 81 of 263.
  const { low, high } = intervalOf({ n: 263, x: 81 });
  near(low, 0.2553, 1e-3);
  near(high, 0.3662, 1e-3);
});

test("a plan says how many requests a regression takes, and which one so many reveal", () => {
  const plan = { baseline: 0.001, part: 0.05, odds: errorOdds, tolerated: 1.1, alpha: 0.005 };
  const sizes = [0.01, 0.02, 0.05, 0.5].map((worse) => requestsToSee({ ...plan, worse }));
  for (const [at, size] of sizes.entries()) assert.ok(at === 0 || size < sizes[at - 1]!, `${sizes}`);
  assert.ok(sizes[0]! > 300 && sizes[0]! < 3_000, `${sizes}`);
  near(smallestSeen(sizes[1]!, plan), 0.02, 0.05);
  assert.equal(requestsToSee({ ...plan, worse: 0.001 }), Number.POSITIVE_INFINITY);
  assert.equal(smallestSeen(1, plan), 1);
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { createAdaptiveLimit, usualInFlight } from "./adaptive-limit.ts";

/** A part that answers `parallel` calls at once, each within `serviceMs`, and lets the others wait, on a clock of its own. */
function simulate({ parallel = 3, serviceMs = 10, pressure = true } = {}) {
  let at = 0;
  const part = { parallel, serviceMs };
  const adaptive = createAdaptiveLimit({
    bounds: () => ({ minInFlight: 4, maxInFlight: 2_000, tolerance: 1.5 }),
    underPressure: () => pressure && under.length > part.parallel,
    now: () => at,
  });
  const under: { from: number; left: number }[] = [];
  /** So many calls a second want in; those who find no room are refused. */
  const run = (ms: number, rate: number) => {
    let answered = 0;
    let wanting = 0;
    const latencies: number[] = [];
    for (const end = at + ms; at < end; at += 1) {
      for (wanting += rate / 1_000; wanting >= 1; wanting -= 1) {
        if (under.length < adaptive.limit) under.push({ from: at, left: part.serviceMs });
        else adaptive.reach();
      }
      for (const one of under.slice(0, part.parallel)) one.left -= 1;
      for (let n = under.length - 1; n >= 0; n--) {
        if (under[n]!.left > 0) continue;
        const { from } = under.splice(n, 1)[0]!;
        const latency = at + 1 - from;
        latencies.push(latency);
        answered += 1;
        adaptive.sample("feed.home.read", latency, under.length + 1, at + 1);
      }
    }
    latencies.sort((a, b) => a - b);
    return {
      rate: (answered / ms) * 1_000,
      p99: latencies[Math.floor(latencies.length * 0.99)]!,
      limit: adaptive.limit,
    };
  };
  return { run, part };
}

test("under three times the load answers stay quick, and as many are given as before", () => {
  const { run } = simulate();
  const before = run(5_000, 240);
  const during = run(20_000, 900);
  assert.ok(during.rate > 0.95 * 300, `${during.rate} a second`);
  assert.ok(during.p99 <= 2 * Math.max(before.p99, 15), `p99 ${during.p99} ms after ${before.p99} ms`);
  assert.ok(during.limit >= 4 && during.limit <= 10, `limit ${during.limit}`);
  const after = run(5_000, 150);
  assert.ok(after.limit >= usualInFlight - 1, `limit ${after.limit}`);
});

test("a start in the middle of overload finds the same place", () => {
  const { run } = simulate();
  run(3_000, 900);
  const during = run(10_000, 900);
  assert.ok(during.rate > 0.9 * 300, `${during.rate} a second`);
  assert.ok(during.p99 <= 40, `p99 ${during.p99} ms`);
});

test("what can do more is given more", () => {
  const { run } = simulate({ parallel: 400, serviceMs: 100 });
  run(3_000, 3_000);
  const later = run(3_000, 3_000);
  assert.ok(later.rate > 2_900, `${later.rate} a second`);
});

test("a part that became slower for good is not starved", () => {
  const { run, part } = simulate();
  run(5_000, 240);
  part.serviceMs = 30;
  const during = run(60_000, 300);
  assert.ok(during.rate > 0.9 * 100, `${during.rate} a second`);
});

test("what is slow without anything here being used up is not throttled far", () => {
  const { run, part } = simulate({ parallel: 1_000, pressure: false });
  run(2_000, 240);
  part.serviceMs = 60;
  run(3_000, 240);
  assert.ok(run(5_000, 240).limit >= usualInFlight - 1);
});

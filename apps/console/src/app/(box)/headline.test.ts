import assert from "node:assert/strict";
import { test } from "node:test";
import type { Golden } from "@signalbox/modules/control/schema";
import { headline, judge, tightest } from "./headline.ts";

const item = (key: string, rest: Partial<Golden["items"][number]> = {}) => ({
  key,
  rps: 10,
  requests: 100,
  errors: 0,
  errorRate: 0,
  refused: 0,
  p50: 5,
  p95: 20,
  p99: 40,
  ...rest,
});
const instance = (
  name: string,
  cpu: number,
  pool: { size: number; inUse: number; waiting: number } | null = null,
) => ({
  instance: name,
  name,
  cpu,
  eventLoopDelayMs: 1,
  memoryBytes: 1,
  heapBytes: 1,
  inFlight: 0,
  pool,
});
const golden = (items: Golden["items"]): Golden => ({
  at: "2026-01-01T00:00:00Z",
  window: "30s",
  by: "track",
  seconds: 30,
  partial: false,
  items,
  saturation: { cpu: 0, eventLoopDelayMs: 0, memoryBytes: 0, inFlight: 0, instances: [] },
  errorSignatures: [],
});

test("counts of two tracks are added, their quantiles stay apart", () => {
  const shown = headline(golden([item("canary", { errors: 30, p95: 90 }), item("stable")]));
  assert.equal(shown.rps, 20);
  assert.equal(shown.errorRate, 0.15);
  assert.equal(shown.p95, 20);
  assert.equal(shown.canaryP95, 90);
});

test("no traffic is no error and no latency", () => {
  const shown = headline(golden([]));
  assert.deepEqual([shown.rps, shown.errorRate, shown.p95, shown.canaryP95], [0, 0, null, undefined]);
});

test("saturation is the tightest resource of any instance, and says which", () => {
  const pool = { size: 10, inUse: 8, waiting: 0 };
  assert.deepEqual(tightest({ instances: [instance("api", 0.3, pool), instance("workers", 0.5)] }), {
    share: 0.8,
    what: "database pool",
    instance: "api",
  });
  assert.equal(tightest({ instances: [] }), undefined);
  assert.equal(tightest({ instances: [instance("api", 1.7)] })?.share, 1);
});

test("the bars are those of the objectives and alerts", () => {
  assert.equal(judge("errorRate", 0.001), "clear");
  assert.equal(judge("errorRate", 0.002), "caution");
  assert.equal(judge("latencyMs", 501), "danger");
  assert.equal(judge("latencyMs", null), "dark");
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { AppError } from "@signalbox/core/errors";
import { createLogger } from "@signalbox/core/log";
import { connectRedis } from "@signalbox/core/redis";
import { createSignals } from "@signalbox/core/signals/signals";
import { awaited, testCall } from "../testing.ts";
import { trace } from "./trace.ts";

function prepare(level = "info") {
  const lines: Record<string, unknown>[] = [];
  const log = createLogger({
    name: "test",
    level,
    destination: { write: (line) => void lines.push(JSON.parse(line)) },
  });
  const redis = connectRedis("redis://127.0.0.1:1", { lazyConnect: true });
  const signals = createSignals({ redis, log, instance: { id: "i", name: "api", version: "1" } });
  const stage = awaited(trace({ log, signals, instance: { track: "stable" } }));
  const read = async () => (await signals.readGolden({ window: "30s", by: "endpoint" })).items[0];
  return { stage, signals, lines, read };
}

const fail = (error: Error) => () => Promise.reject(error);

test("refusals are refused, our failures are errors, and a caller's mistakes are neither", async () => {
  const { stage, read, signals } = prepare();
  await stage(testCall(), async () => "fine");
  const errors = [
    new AppError("not_found", "nothing here"),
    new AppError("disabled", "off"),
    new AppError("rate_limited", "too many"),
    new AppError("overloaded", "too busy"),
    new AppError("unavailable", "the database is away"),
    new Error("a bug"),
  ];
  for (const error of errors) await assert.rejects(stage(testCall(), fail(error)), error);
  const item = await read();
  assert.deepEqual([item?.requests, item?.errors, item?.refused], [7, 2, 3]);
  assert.equal(signals.inFlight, 0);
});

test("a call that goes well writes no line; a failure writes one that a request id finds", async () => {
  const { stage, lines } = prepare();
  await stage(testCall(), async () => "fine");
  await assert.rejects(stage(testCall(), fail(new AppError("not_found", "nothing here"))));
  assert.equal(lines.length, 0);
  await assert.rejects(stage(testCall(), fail(new Error("a bug"))));
  assert.equal(lines.length, 1);
  assert.deepEqual(
    [lines[0]?.call, lines[0]?.requestId, lines[0]?.traceId, lines[0]?.level],
    ["feed.post.create", "request-1", "0af7651916cd43dd8448eb211c80319c", "error"],
  );
});

test("a flood of failures writes few lines", async () => {
  const { stage, lines } = prepare();
  for (let n = 0; n < 500; n++) await assert.rejects(stage(testCall(), fail(new Error("a bug"))));
  assert.ok(lines.length <= 45, `${lines.length} lines`);
});

test("at debug level each call writes one line", async () => {
  const { stage, lines } = prepare("debug");
  await stage(testCall(), async () => "fine");
  assert.equal(lines.length, 1);
  assert.equal(lines[0]?.msg, "a call was answered");
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { show } from "./logs.ts";

test("a JSON line is shown as time, service, level, message, fields and request id", () => {
  const line = {
    level: "info",
    time: "2026-01-02T03:04:05.678Z",
    service: "api",
    pid: 1,
    msg: "served",
    ms: 4,
    requestId: "r1",
  };
  const { time, text } = show("api", JSON.stringify(line));
  assert.equal(time, line.time);
  assert.equal(text, "03:04:05.678 api        info  served ms=4 requestId=r1");
});

test("lines of the engines keep their words and give up their time", () => {
  assert.equal(
    show("postgres", "2026-01-02 03:04:05.678 UTC [9] LOG:  ready").time,
    "2026-01-02T03:04:05.678Z",
  );
  assert.equal(show("redis", "9:M 02 Jan 2026 03:04:05.678 * Ready").time, "2026-01-02T03:04:05.678Z");
  assert.deepEqual(show("redis", "nonsense"), { time: "", text: "redis      nonsense" });
  assert.equal(show("api", "null").text, "api        null");
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { AppError } from "../errors.ts";
import { type BreakerOptions, createBreaker, type Forced } from "./breaker.ts";

function opened(options: Partial<BreakerOptions> = {}) {
  let at = 0;
  const breaker = createBreaker({ name: "part", minCalls: 10, openMs: 1_000, now: () => at, ...options });
  const fails = () => breaker.run(() => Promise.reject(new Error("boom"))).catch((error: Error) => error);
  const works = () => breaker.run(async () => "answer");
  const pass = (ms: number) => {
    at += ms;
  };
  return { breaker, fails, works, pass };
}

test("half of the calls must fail, of at least so many, before it opens", async () => {
  const { breaker, fails, works } = opened();
  for (let n = 0; n < 9; n++) await fails();
  assert.equal(breaker.state, "closed");
  await fails();
  assert.equal(breaker.state, "open");
  const refusal = (await fails()) as AppError;
  assert.equal(refusal.code, "unavailable");
  assert.ok(refusal.retryAfterMs! >= 500);
  await assert.rejects(works());
  assert.equal(breaker.figures().refused, 2);
});

test("few failures among many calls leave it closed, and old ones are forgotten", async () => {
  const { breaker, fails, works, pass } = opened();
  for (let n = 0; n < 20; n++) await works();
  for (let n = 0; n < 19; n++) await fails();
  await works();
  assert.equal(breaker.state, "closed");
  pass(11_000);
  assert.equal(breaker.figures().calls, 0);
  for (let n = 0; n < 9; n++) await fails();
  assert.equal(breaker.state, "closed");
});

test("a part that falls silent is not asked for long, however well it answered before", async () => {
  const { breaker, fails, works, pass } = opened();
  for (let n = 0; n < 500; n++) await works();
  for (let n = 0; n < 20; n++) await fails();
  assert.equal(breaker.state, "closed");
  pass(1_000);
  await fails();
  assert.equal(breaker.state, "open");
});

test("whoever knows that the part is back closes it, and what failed before does not count", async () => {
  const { breaker, fails, works } = opened();
  breaker.trip("silence");
  await assert.rejects(works());
  breaker.restore("it answered");
  assert.equal(breaker.state, "closed");
  for (let n = 0; n < 9; n++) await fails();
  assert.equal(breaker.state, "closed");
});

test("after its time a few calls try, and as many successes close it", async () => {
  const { breaker, fails, works, pass } = opened({ probes: 2 });
  for (let n = 0; n < 10; n++) await fails();
  pass(1_300);
  const held = Promise.withResolvers<void>();
  const first = breaker.run(() => held.promise);
  const second = breaker.run(() => held.promise);
  assert.equal(breaker.state, "half-open");
  await assert.rejects(works(), { code: "unavailable" });
  held.resolve();
  await Promise.all([first, second]);
  assert.equal(breaker.state, "closed");
  assert.equal(await works(), "answer");
});

test("a probe that fails opens it again, for longer", async () => {
  const { breaker, fails, works, pass } = opened();
  for (let n = 0; n < 10; n++) await fails();
  pass(1_300);
  await fails();
  assert.equal(breaker.state, "open");
  pass(1_300);
  await assert.rejects(works(), { code: "unavailable" });
  pass(1_300);
  assert.equal(await works(), "answer");
});

test("a probe whose caller went away makes room for the next", async () => {
  const { fails, works, breaker, pass } = opened({ probes: 1 });
  for (let n = 0; n < 10; n++) await fails();
  pass(1_300);
  await assert.rejects(breaker.run(() => Promise.reject(new AppError("cancelled", "the caller went away"))));
  assert.equal(await works(), "answer");
  assert.equal(breaker.state, "closed");
});

test("what began before it opened says nothing about it afterwards", async () => {
  const { breaker, fails, pass } = opened();
  const late = breaker.enter();
  for (let n = 0; n < 10; n++) await fails();
  pass(1_300);
  breaker.enter();
  breaker.done(late, false);
  assert.equal(breaker.state, "half-open");
});

test("an operator's word goes before what is counted", async () => {
  let word: Forced;
  const { breaker, fails, works } = opened({ forced: () => word });
  word = "open";
  await assert.rejects(works(), { code: "unavailable", message: /by an operator/ });
  word = "closed";
  for (let n = 0; n < 30; n++) await fails();
  assert.equal(await works(), "answer");
  breaker.trip("it hangs");
  assert.equal(breaker.state, "closed");
  word = undefined;
  await fails();
  assert.equal(breaker.state, "open");
});

test("a caller's own mistakes do not open it", async () => {
  const { breaker } = opened();
  for (let n = 0; n < 30; n++)
    await assert.rejects(breaker.run(() => Promise.reject(new AppError("not_found", "nothing here"))));
  assert.equal(breaker.state, "closed");
});

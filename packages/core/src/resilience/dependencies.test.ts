import assert from "node:assert/strict";
import { test } from "node:test";
import { createLogger } from "../log.ts";
import { exposition } from "../metrics.ts";
import type { Forced } from "./breaker.ts";
import { Deadline, withDeadline } from "./deadline.ts";
import { createDependencies, type Dependencies } from "./dependencies.ts";
import { partFamilies } from "./families.ts";

const log = createLogger({ name: "test", level: "silent" });
const unforced = (): Dependencies => createDependencies({ log, forced: () => undefined });

test("what may be done twice is tried again behind the breaker, and its figures are listed", async () => {
  const dependencies = unforced();
  const part = dependencies.open({ name: "smtp", minCalls: 4, openMs: 60_000 });
  assert.equal(dependencies.open({ name: "smtp" }), part);
  let attempts = 0;
  const fail = async () => {
    attempts += 1;
    throw new Error("away");
  };
  await assert.rejects(part.run(fail, { idempotent: true, baseMs: 1 }), { message: "away" });
  assert.equal(attempts, 3);
  await assert.rejects(part.run(fail), { message: "away" });
  await assert.rejects(part.run(fail), { code: "unavailable" });
  assert.equal(attempts, 4);
  const [figures] = dependencies.list();
  assert.equal(figures?.state, "open");
  assert.equal(figures?.retries.retries, 2);
  const lane = {
    service: "feed",
    limit: 16,
    inFlight: 3,
    waiting: 2,
    refused: 7,
    latencyRatio: 1,
    overloaded: false,
  };
  const text = exposition(partFamilies({ lanes: [lane], dependencies: dependencies.list() }));
  assert.match(text, /signalbox_dependency_state\{dependency="smtp",state="open"\} 1/);
  assert.match(text, /signalbox_dependency_retries_total\{dependency="smtp"\} 2/);
  assert.match(text, /signalbox_lane_refused_total\{service="feed"\} 7/);
});

test("one part's word from an operator does not touch another", async () => {
  const words: Record<string, Forced> = { smtp: "open" };
  const dependencies = createDependencies({ log, forced: (name) => words[name] });
  const mail = dependencies.open({ name: "smtp" });
  const other = dependencies.open({ name: "redis" });
  await assert.rejects(
    mail.run(async () => {}),
    { code: "unavailable" },
  );
  assert.equal(await other.run(async () => "answer"), "answer");
  words.smtp = undefined;
  assert.equal(await mail.run(async () => "answer"), "answer");
});

test("waiting for room ends with the call", async () => {
  const part = unforced().open({
    name: "smtp",
    bulkhead: { maxConcurrent: 1, maxQueue: 5, maxWaitMs: 60_000 },
  });
  const held = Promise.withResolvers<void>();
  const first = part.run(() => held.promise);
  await assert.rejects(
    withDeadline(new Deadline(5), () => part.run(async () => {})),
    { code: "deadline" },
  );
  held.resolve();
  await first;
});

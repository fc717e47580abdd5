import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { AppError } from "@signalbox/core/errors";
import { createTurns } from "./turns.ts";

const words = { refusal: "too many", retryAfterMs: 2_000 };

test("so many run at once, in the order of their coming, and what finds no place to wait is refused", async () => {
  const inTurn = createTurns({ ...words, atOnce: 2, maxWaiting: 3, companyMs: 5 });
  let running = 0;
  let most = 0;
  const begun: number[] = [];
  const work = (at: number) =>
    inTurn(async () => {
      begun.push(at);
      running += 1;
      most = Math.max(most, running);
      await sleep(5);
      running -= 1;
      return at;
    });
  const all = await Promise.allSettled([0, 1, 2, 3, 4, 5, 6].map(work));
  assert.equal(most, 2);
  assert.deepEqual(begun, [0, 1, 2, 3, 4]);
  assert.deepEqual(
    all.slice(0, 5).map((each) => each.status === "fulfilled" && each.value),
    [0, 1, 2, 3, 4],
  );
  for (const each of all.slice(5)) {
    const { code, message, retryAfterMs } = (each as PromiseRejectedResult).reason as AppError;
    assert.deepEqual(
      { code, message, retryAfterMs },
      { code: "overloaded", message: "too many", retryAfterMs: 2_000 },
    );
  }
});

test("while others wait for a place, those who are done go on together, and the place is free meanwhile", async () => {
  const inTurn = createTurns({ ...words, atOnce: 1, maxWaiting: 10, companyMs: 60_000 });
  const order: string[] = [];
  const work = (at: number) =>
    inTurn(async () => {
      order.push(`begin ${at}`);
      await sleep(1);
    }).then(() => order.push(`on ${at}`));
  await Promise.all([0, 1, 2].map(work));
  // The last finds nobody waiting: it takes all along, long before the minute is over.
  assert.deepEqual(order.slice(0, 3), ["begin 0", "begin 1", "begin 2"]);
  assert.deepEqual(order.slice(3).toSorted(), ["on 0", "on 1", "on 2"]);
});

test("company is waited for so long at most", async () => {
  const inTurn = createTurns({ ...words, atOnce: 1, maxWaiting: 10, companyMs: 20 });
  const never = new AbortController();
  const first = inTurn(async () => "first");
  const stuck = inTurn(() => new Promise((_, reject) => never.signal.addEventListener("abort", reject)));
  const behind = inTurn(async () => "behind");
  assert.equal(await first, "first");
  never.abort();
  await assert.rejects(stuck);
  assert.equal(await behind, "behind");
});

test("with nobody waiting, nobody is held up", async () => {
  const inTurn = createTurns({ ...words, atOnce: 2, maxWaiting: 10, companyMs: 60_000 });
  const slow = inTurn(() => sleep(50));
  assert.equal(await inTurn(async () => "fast"), "fast");
  await slow;
});

test("who fails is told its own fault, and its place is free", async () => {
  const inTurn = createTurns({ ...words, atOnce: 1, maxWaiting: 10, companyMs: 5 });
  const failed = inTurn(async () => {
    throw new Error("no");
  });
  const next = inTurn(async () => "yes");
  await assert.rejects(failed, { message: "no" });
  assert.equal(await next, "yes");
});

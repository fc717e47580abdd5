import assert from "node:assert/strict";
import { test } from "node:test";
import { createGather } from "./gather.ts";
import { Deadline, withDeadline } from "./resilience/deadline.ts";

test("what is asked in one moment is one question; what comes meanwhile is the next, up to what one may hold", async () => {
  const questions: number[][] = [];
  const ask = createGather(
    async (asked: number[]) => {
      questions.push(asked);
      await new Promise((resolve) => setImmediate(resolve));
      return asked.map((n) => n * 2);
    },
    { mostAtOnce: 3 },
  );
  const first = [1, 2].map(ask);
  await new Promise((resolve) => setImmediate(resolve));
  const later = [3, 4, 5, 6].map(ask);
  assert.deepEqual(await Promise.all([...first, ...later]), [2, 4, 6, 8, 10, 12]);
  assert.deepEqual(questions, [[1, 2], [3, 4, 5], [6]]);
});

test("a question that fails fails for those who asked it, and for nobody after them", async () => {
  const ask = createGather(async (asked: number[]) => {
    if (asked.includes(0)) throw new Error("zero");
    return asked;
  });
  const outcomes = await Promise.allSettled([ask(0), ask(1)]);
  assert.deepEqual(
    outcomes.map(({ status }) => status),
    ["rejected", "rejected"],
  );
  assert.equal(await ask(1), 1);
});

test("while in doubt nobody waits behind a question that hangs", async () => {
  let isDoubtful = false;
  const ask = createGather(
    async (asked: string[]) => (asked.includes("hangs") ? new Promise<string[]>(() => {}) : asked),
    { isDoubtful: () => isDoubtful },
  );
  void ask("hangs");
  await new Promise((resolve) => setImmediate(resolve));
  isDoubtful = true;
  assert.equal(await ask("goes by"), "goes by");
});

test("who asks leaves with his call, and what was not yet under way for him is not done", async () => {
  const questions: string[][] = [];
  const answered = Promise.withResolvers<void>();
  const ask = createGather(
    async (asked: string[]) => {
      questions.push(asked);
      await answered.promise;
      return asked;
    },
    { endsWithCall: true },
  );
  const within = (ms: number, what: string) => withDeadline(new Deadline(ms), () => ask(what));
  const first = within(50, "under way");
  await new Promise((resolve) => setImmediate(resolve));
  const [second, patient] = [within(50, "waits"), within(60_000, "is patient")];
  await assert.rejects(first, { code: "deadline" });
  await assert.rejects(second, { code: "deadline" });
  await assert.rejects(within(0, "comes too late"), { code: "deadline" });
  answered.resolve();
  assert.equal(await patient, "is patient");
  assert.deepEqual(questions, [["under way"], ["is patient"]]);
});

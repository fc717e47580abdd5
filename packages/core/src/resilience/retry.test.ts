import assert from "node:assert/strict";
import { test } from "node:test";
import { AppError } from "../errors.ts";
import { Deadline } from "./deadline.ts";
import { createRetryBudget, retry } from "./retry.ts";

const quick = { idempotent: true, baseMs: 1, maxMs: 2 };
const failing = (times: number) => {
  let attempts = 0;
  const work = async () => {
    attempts += 1;
    if (attempts <= times) throw new Error("not yet");
    return attempts;
  };
  return { work, attempts: () => attempts };
};

test("what may be done twice is tried again until it works", async () => {
  assert.equal(await retry({ ...quick, budget: createRetryBudget() }, failing(2).work), 3);
});

test("what may not be done twice is done once", async () => {
  const { work, attempts } = failing(1);
  await assert.rejects(retry({ ...quick, idempotent: false, budget: createRetryBudget() }, work));
  assert.equal(attempts(), 1);
});

test("when everything fails, a tenth more is asked and no more", async () => {
  const budget = createRetryBudget({ share: 0.1, reserve: 5 });
  let attempts = 0;
  for (let n = 0; n < 200; n++)
    await retry({ ...quick, budget }, async () => {
      attempts += 1;
      throw new Error("away");
    }).catch(() => {});
  assert.ok(attempts >= 220 && attempts <= 226, `${attempts} attempts of 200 calls`);
  assert.ok(budget.figures().denied > 0);
});

test("a refusal is not asked for twice, and nothing is tried that would end too late", async () => {
  const budget = createRetryBudget();
  let attempts = 0;
  const refused = async () => {
    attempts += 1;
    throw new AppError("not_found", "nothing here");
  };
  await assert.rejects(retry({ ...quick, budget }, refused), { code: "not_found" });
  assert.equal(attempts, 1);
  const { work, attempts: made } = failing(5);
  const options = { ...quick, baseMs: 1e6, maxMs: 1e6, budget, deadline: new Deadline(2) };
  await assert.rejects(retry(options, work), { message: "not yet" });
  assert.equal(made(), 1);
});

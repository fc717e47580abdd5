import assert from "node:assert/strict";
import { test } from "node:test";
import { draftSteps, nextStep, stepFault, stepsOf } from "./ladder.ts";

test("a ladder is typed in minutes and sent in seconds, and the next step goes as far as the rules let it", () => {
  const drafts = draftSteps([{ weight: 0.5, bakeSeconds: 90 }]);
  assert.deepEqual(stepsOf(drafts), [{ weight: 0.5, bakeSeconds: 90 }]);
  for (let steps = 0; steps < 6; steps++) drafts.push(nextStep(drafts));
  assert.deepEqual(
    drafts.map(({ weight }) => Number(weight)),
    [0.5, 2.5, 12.5, 37.5, 62.5, 87.5, 100],
  );
  assert.equal(stepFault(drafts[0]!), undefined);
  for (const wrong of [
    { weight: "0" },
    { weight: "" },
    { weight: "101" },
    { minutes: "" },
    { minutes: "-1" },
  ])
    assert.ok(stepFault({ ...drafts[0]!, ...wrong }), JSON.stringify(wrong));
});

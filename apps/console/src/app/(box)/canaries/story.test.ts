import assert from "node:assert/strict";
import { test } from "node:test";
import { type Story, tellStory } from "./story.ts";

const actor = { kind: "operator", id: "1", name: "ann" };
const act = (revision: number, before: unknown, after: unknown): Story["events"][number] => ({
  ...{ revision, id: `e${revision}`, at: `2030-01-01T00:00:0${revision}.000Z`, actor, before, after },
  ...{ kind: "canary.set", key: "c", reason: `why ${revision}`, expiresAt: null, requestId: "r" },
  ...{ incident: null, userId: null, previousHash: "", hash: "" },
});
const decision = (id: string, revision: number | null, second: number): Story["decisions"][number] => ({
  ...{ id, revision, at: `2030-01-01T00:00:0${second}.000Z`, act: "advance", step: 0, verdict: "healthy" },
  ...{ why: "well", confirmations: null, evidence: {}, replays: true },
});

test("acts and decisions are one story, newest first, and a decision stands with its act", () => {
  const first = { state: "ramping", step: 0, weight: 5 };
  const second = { state: "ramping", step: 1, weight: 25 };
  const paused = { ...second, state: "paused" };
  const told = tellStory({
    events: [
      act(5, second, { ...second, state: "aborted" }),
      act(4, paused, second),
      act(3, second, paused),
      act(2, first, second),
      act(1, null, first),
    ],
    decisions: [decision("with", 2, 2), decision("alone", null, 6)],
    ladder: [{ weight: 5, bakeSeconds: 60, beganAt: null, endedAt: null }],
  });
  assert.deepEqual(
    told.map(({ words, decision }) => [words, decision?.id]),
    [
      ["Advance at 5%", "alone"],
      ["Taken away from everybody", undefined],
      ["Resumed at 25%", undefined],
      ["Paused", undefined],
      ["Next step: 25%", "with"],
      ["Started at 5%", undefined],
    ],
  );
});

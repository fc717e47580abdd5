// Two releases of a service on real processes behind a gateway: the good one is promoted by itself, and one that is made bad on
// purpose is rolled back by itself, also where its judge is killed.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { createTestDatabase } from "@signalbox/db/testing";
import { openStage, type Stage } from "./testing/canary-stage.ts";

let database: Awaited<ReturnType<typeof createTestDatabase>>;
let stage: Stage;
let killFirstJudge: () => Promise<unknown>;

before(async () => {
  database = await createTestDatabase();
  stage = await openStage({ databaseUrl: database.url, redisUrl: process.env.TEST_REDIS_URL! });
  killFirstJudge = stage.startJudge("judge-1");
  stage.startJudge("judge-2");
});
after(async () => {
  await stage?.close();
  await database?.drop();
});

// The ends are for a machine on which a hundred other things run.
const longMs = 120_000;

describe("a release on two tracks", () => {
  test("is rolled back by itself when it fails, though its judge was killed in the middle of a step", async () => {
    const { id } = await stage.start([
      { weight: 20, bakeSeconds: 600 },
      { weight: 45, bakeSeconds: 600 },
    ]);
    await stage.until(id, "it is judged", ({ standing }) => standing !== null, longMs);
    await killFirstJudge();
    stage.spoil({ errors: 0.9 });
    const story = await stage.until(id, "it is rolled back", ({ state }) => state === "aborted", longMs);
    const [fall] = story.events.filter(({ kind }) => kind === "canary.aborted");
    assert.equal(fall?.actor.kind, "judge");
    assert.equal(story.weight, 0);
    const kept = await stage.until(
      id,
      "its evidence is kept",
      ({ decisions }) => decisions.length > 0,
      longMs,
    );
    assert.deepEqual(
      kept.decisions.map(({ act, verdict, replays }) => [act, verdict, replays]),
      [["abort", "regressed", true]],
    );
    await pause(500);
    const before = stage.counts.failed;
    await pause(1_500);
    assert.equal(stage.counts.failed, before, "nobody meets it any more");
    stage.spoil({});
  });

  test("climbs its ladder and is promoted by itself when it is as good", async () => {
    await stage.waitUntilAllAreAsked();
    const { id } = await stage.start([
      { weight: 25, bakeSeconds: 1 },
      { weight: 50, bakeSeconds: 1 },
      { weight: 75, bakeSeconds: 1 },
      { weight: 100, bakeSeconds: 0 },
    ]);
    const story = await stage.until(id, "it is promoted", ({ state }) => state !== "ramping", 2 * longMs);
    assert.equal(story.state, "promoted", story.standing?.why);
    assert.deepEqual(
      story.decisions.map(({ act, verdict, replays }) => [act, verdict, replays]),
      [
        ["advance", "healthy", true],
        ["advance", "healthy", true],
        ["promote", "healthy", true],
      ],
    );
    const restored = await stage.ask("POST", `/canaries/${id}/restore`, {});
    assert.deepEqual([restored.state, restored.weight], ["aborted", 0]);
  });
});

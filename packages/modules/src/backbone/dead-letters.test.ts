// Running dead letters again, by the name of whoever could not handle them.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { AsOperator } from "../ctx.ts";
import { ctxOf, testWorld, type World } from "../testing.ts";
import { replayLetters } from "./dead-letters.ts";

let world: World;
let ctx: AsOperator;
before(async () => {
  world = await testWorld();
  ctx = ctxOf(world.deps, { kind: "operator", id: "o", name: "ann", role: "operator" }) as AsOperator;
});
after(() => world.close());

test("a name that no consumer has is said to be none, and nothing is written down of it", async () => {
  const acts = async () =>
    (await world.deps.sql<{ n: number }[]>`select count(*)::int as n from control_events`)[0]!.n;
  const before = await acts();
  await assert.rejects(replayLetters(ctx, { queue: "feeed", reason: "a slip" }), {
    code: "not_found",
    message: /there is no consumer called feeed; there are: .*feed/,
  });
  assert.equal(await acts(), before);
});

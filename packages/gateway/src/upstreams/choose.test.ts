import assert from "node:assert/strict";
import { test } from "node:test";
import { pick, planOf } from "./choose.ts";

const at = (zone: string, track: "stable" | "canary" = "stable", load = 0) => ({ zone, track, load });
const evenly = () => 100;
const shares = (plan: ReturnType<typeof planOf>) =>
  Object.fromEntries(plan.map(({ share, peers }) => [peers[0]!.zone, Math.round(share * 100)]));

test("a zone keeps its own calls while its part of the instances carries them", () => {
  const full = [at("a"), at("a"), at("b"), at("b")];
  assert.deepEqual(shares(planOf(full, "stable", "a", evenly)), { a: 100 });
  assert.deepEqual(shares(planOf([at("a"), at("b"), at("b"), at("b")], "stable", "a", evenly)), {
    a: 50,
    b: 50,
  });
  assert.deepEqual(shares(planOf([at("b"), at("c"), at("c"), at("c")], "stable", "a", evenly)), {
    b: 25,
    c: 75,
  });
});

test("a weight shifts calls away; with every weight at 0 they go somewhere all the same", () => {
  const full = [at("a"), at("a"), at("b"), at("b")];
  assert.deepEqual(shares(planOf(full, "stable", "a", (zone) => (zone === "a" ? 30 : 100))), {
    a: 30,
    b: 70,
  });
  assert.deepEqual(shares(planOf(full, "stable", "a", (zone) => (zone === "a" ? 0 : 100))), { b: 100 });
  assert.deepEqual(shares(planOf(full, "stable", "a", () => 0)), { a: 100 });
  assert.deepEqual(shares(planOf([at("a")], "stable", "a", () => 0)), { a: 100 });
});

test("a call goes to its track, and to the other where its own has nobody", () => {
  const both = [at("a"), at("a", "canary")];
  const trackOf = (track: "stable" | "canary", from = both) => pick(planOf(from, track, "a", evenly))?.track;
  assert.deepEqual([trackOf("canary"), trackOf("stable")], ["canary", "stable"]);
  assert.equal(trackOf("canary", [at("a")]), "stable");
});

test("of two picked at random the less busy one is asked, and shares are kept", () => {
  const plan = planOf([at("a", "stable", 9), at("a", "stable", 1)], "stable", "a", evenly);
  for (let n = 0; n < 50; n += 1) assert.equal(pick(plan)?.load, 1);
  assert.equal(pick([]), undefined);
  const mixed = planOf([at("a"), at("b"), at("b"), at("b")], "stable", "a", evenly);
  let own = 0;
  for (let n = 0; n < 4_000; n += 1) if (pick(mixed)?.zone === "a") own += 1;
  assert.ok(Math.abs(own / 4_000 - 0.5) < 0.05, String(own));
});

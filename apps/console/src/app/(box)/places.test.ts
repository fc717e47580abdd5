import assert from "node:assert/strict";
import { test } from "node:test";
import { type Place, rankPlaces } from "./places.ts";

const place = (kind: Place["kind"], name: string, last?: true): Place => ({
  kind,
  name,
  href: `/${kind}/${name}`,
  hint: "",
  ...(last ? { last } : {}),
});
const places = [
  place("Page", "Switches"),
  place("Page", "Limits"),
  place("Switch", "feed.post.create"),
  place("Switch", "feed.post"),
  place("Limit", "feed.post.create"),
  place("Person", "Find someone", true),
];
const names = (typed: string, atMost = 10) =>
  rankPlaces(places, typed, atMost).map((it) => `${it.kind} ${it.name}`);

test("pages come first, what begins so before what holds it, and shorter names before longer ones", () => {
  assert.equal(names("")[0], "Page Limits");
  assert.deepEqual(names("post"), [
    "Switch feed.post",
    "Switch feed.post.create",
    "Limit feed.post.create",
    "Person Find someone",
  ]);
  assert.equal(names("s")[0], "Page Switches");
});

test("every word must fit, the kind counts as one, and the search for a person is always offered", () => {
  assert.deepEqual(names("limit create"), ["Limit feed.post.create", "Person Find someone"]);
  assert.deepEqual(names("zzz"), ["Person Find someone"]);
  assert.deepEqual(names("", 2), ["Page Limits", "Person Find someone"]);
});

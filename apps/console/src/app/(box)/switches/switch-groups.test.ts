import assert from "node:assert/strict";
import { test } from "node:test";
import type { Golden } from "@signalbox/modules/control/schema";
import { covers, groupSwitches, touchedBy } from "./switch-groups.ts";
import { switchItem as item } from "./testing.ts";

const all = { text: "", show: "all", kind: "all", tag: undefined } as const;
const off = { state: "off", share: 100, by: "feed" } as const;
const keys = (groups: ReturnType<typeof groupSwitches>) =>
  groups.flatMap(({ items }) => items.map(({ key }) => key));

test("a prefix stands right above what is below it, and everything first of all", () => {
  const list = ["users", "feed.poster", "feed.post.create", "feed", "*", "feed.post"].map((key) => item(key));
  assert.deepEqual(keys(groupSwitches(list, all)), [
    "*",
    "feed",
    "feed.post",
    "feed.post.create",
    "feed.poster",
    "users",
  ]);
});

test("a filter looks at keys, reasons and names", () => {
  const list = [
    item("feed.post.create", { reason: "Spam wave" }),
    item("links", { changedBy: { kind: "operator", id: "1", name: "Ann" } }),
    item("users"),
  ];
  assert.deepEqual(keys(groupSwitches(list, { ...all, text: " SPAM" })), ["feed.post.create"]);
  assert.deepEqual(keys(groupSwitches(list, { ...all, text: "ann" })), ["links"]);
  assert.deepEqual(keys(groupSwitches(list, { ...all, text: "us" })), ["users"]);
});

test("off shows what calls meet, touched what someone ever turned", () => {
  const list = [
    item("feed", { state: "off", revision: 3, effective: off }),
    item("feed.post", { effective: off }),
    item("users", { revision: 2 }),
  ];
  assert.deepEqual(keys(groupSwitches(list, { ...all, show: "off" })), ["feed", "feed.post"]);
  assert.deepEqual(keys(groupSwitches(list, { ...all, show: "touched" })), ["feed", "users"]);
});

test("a key touches itself and what is below it, never a neighbour whose name begins alike", () => {
  assert.ok(covers("feed.post", "feed.post.create"));
  assert.ok(covers("*", "users"));
  assert.ok(!covers("feed.post", "feed.poster"));
  const golden = {
    items: [
      { key: "feed.post.create", rps: 2 },
      { key: "feed.home.read", rps: 8 },
      { key: "users.me.read", rps: 5 },
    ],
  } as Golden;
  const touched = touchedBy(item("feed", { kind: "prefix" }), [], golden);
  assert.equal(touched.rps, 10);
  assert.deepEqual(
    touched.endpoints.map(({ key }) => key),
    ["feed.home.read", "feed.post.create"],
  );
});

test("a tag touches what carries it, wherever that stands; tags come before modules", () => {
  const list = [
    item("feed.home.read", { tags: ["reads"] }),
    item("users.me.read", { tags: ["reads"] }),
    item("feed.post.create", { tags: ["writes"] }),
    item("tags.reads", { kind: "tag" }),
  ];
  const golden = {
    items: [
      { key: "feed.post.create", rps: 2 },
      { key: "users.me.read", rps: 5 },
    ],
  } as Golden;
  assert.equal(touchedBy(item("tags.reads", { kind: "tag" }), list, golden).rps, 5);
  assert.deepEqual(keys(groupSwitches(list, all))[0], "tags.reads");
  assert.deepEqual(keys(groupSwitches(list, { ...all, tag: "writes" })), ["feed.post.create"]);
  assert.deepEqual(keys(groupSwitches(list, { ...all, kind: "tag" })), ["tags.reads"]);
});

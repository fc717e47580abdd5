import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { testWorld, type World } from "../testing.ts";

let world: World;
before(async () => {
  world = await testWorld();
});
after(() => world.close());

const told = async (handle: string) =>
  (await (await world.user(handle)).notifications.item.list({})).items.map(
    ({ kind, actor, read }) => `${kind} by ${actor.handle}${read ? "" : ", new"}`,
  );

test("a user is told of followers, likes, reposts, answers and mentions, once each, and never of himself", async () => {
  const [ann, bob] = [await world.user("ann_told"), await world.user("bob_told")];
  const post = await ann.feed.post.create({ text: "hello @ann_told" });
  await bob.users.follow.create({ handle: "ann_told" });
  for (let times = 0; times < 2; times += 1) {
    await bob.feed.like.create({ id: post.id });
    await world.settle();
    if (times === 0) await bob.feed.like.delete({ id: post.id });
  }
  await bob.feed.repost.create({ id: post.id });
  await bob.feed.post.create({ text: "an answer to @ann_told", replyTo: post.id });
  const named = await bob.feed.post.create({ text: "and @ann_told again" });
  await ann.feed.like.create({ id: post.id });
  await world.settle();
  assert.deepEqual(await told("ann_told"), [
    "mention by bob_told, new",
    "reply by bob_told, new",
    "repost by bob_told, new",
    "like by bob_told, new",
    "follow by bob_told, new",
  ]);
  await bob.feed.post.delete({ id: named.id });
  await bob.users.follow.delete({ handle: "ann_told" });
  await world.settle();
  assert.deepEqual(await told("ann_told"), [
    "reply by bob_told, new",
    "repost by bob_told, new",
    "like by bob_told, new",
  ]);
  const { items } = await ann.notifications.item.list({ limit: 1 });
  await ann.notifications.item.read({ ids: [items[0]!.id] });
  assert.deepEqual(await told("ann_told"), [
    "reply by bob_told",
    "repost by bob_told, new",
    "like by bob_told, new",
  ]);
  await ann.notifications.item.read({});
  assert.ok((await told("ann_told")).every((text) => !text.includes("new")));
});

test("nothing is told by whom the reader blocks or mutes, nor of what he may not see", async () => {
  const [cal, dan, eve] = [
    await world.user("cal_told"),
    await world.user("dan_told"),
    await world.user("eve_told"),
  ];
  const post = await cal.feed.post.create({ text: "here" });
  for (const fan of [dan, eve]) await fan.feed.like.create({ id: post.id });
  await dan.feed.post.create({ text: "for few, @cal_told", visibility: "followers" });
  await world.settle();
  assert.deepEqual(await told("cal_told"), ["like by eve_told, new", "like by dan_told, new"]);
  await cal.users.mute.create({ handle: "dan_told" });
  await cal.users.block.create({ handle: "eve_told" });
  assert.deepEqual(await told("cal_told"), []);
  await cal.users.mute.delete({ handle: "dan_told" });
  assert.deepEqual(await told("cal_told"), ["like by dan_told, new"]);
});

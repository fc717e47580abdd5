import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { idFloor, newId } from "@signalbox/core/ids";
import { tables } from "@signalbox/db";
import { ctxOf, testWorld, type World } from "../testing.ts";
import { buildTimeline, pushToTimelines, timelineKey } from "./timeline.ts";

let world: World;
before(async () => {
  world = await testWorld();
});
after(() => world.close());

const refused = (code: string) => (error: { cause?: { code?: string } }) => error.cause?.code === code;
const texts = (page: { items: { text: string }[] }) => page.items.map(({ text }) => text);

test("an edited post shows the new text everywhere, and its history what it said before", async () => {
  const [ann, bea] = [await world.user("ann_edit"), await world.user("bea_edit")];
  const { id } = await ann.feed.post.create({ text: "frist" });
  assert.equal((await bea.feed.post.read({ id })).editedAt, null);
  const edited = await ann.feed.post.edit({ id, text: "first" });
  assert.equal(edited.text, "first");
  assert.ok(edited.editedAt);
  assert.deepEqual(await bea.feed.post.read({ id }), edited);
  await ann.feed.post.edit({ id, text: "first #again" });
  // What changes nothing is no edit.
  await ann.feed.post.edit({ id, text: "first #again" });
  const whole = await bea.feed.history.list({ id });
  assert.deepEqual(texts(whole), ["first #again", "first", "frist"]);
  assert.equal(whole.items[2]!.writtenAt, edited.createdAt);
  assert.equal(whole.items[1]!.writtenAt, edited.editedAt);
  const page = await bea.feed.history.list({ id, limit: 1 });
  assert.deepEqual(texts(await bea.feed.history.list({ id, limit: 5, cursor: page.nextCursor! })), [
    "first",
    "frist",
  ]);
  await assert.rejects(bea.feed.post.edit({ id, text: "mine" }), refused("forbidden"));
  await assert.rejects(ann.feed.post.edit({ id }), refused("invalid"));
  await assert.rejects(ann.feed.post.edit({ id: newId(), text: "nothing" }), refused("not_found"));
  await ann.feed.post.delete({ id });
  assert.equal((await world.deps.sql`select from post_edits where post_id = ${id}`).length, 0);
  await assert.rejects(bea.feed.history.list({ id }), refused("not_found"));
});

test("likes and reposts count once for each person, and are taken back once", async () => {
  const [cal, dee, guest] = [await world.user("cal_like"), await world.user("dee_like"), world.guest()];
  const { id } = await cal.feed.post.create({ text: "like me" });
  for (let times = 0; times < 3; times += 1) {
    await dee.feed.like.create({ id });
    await dee.feed.repost.create({ id });
  }
  await cal.feed.like.create({ id });
  const seen = await dee.feed.post.read({ id });
  assert.deepEqual(seen.counts, { likes: 2, replies: 0, reposts: 1 });
  assert.deepEqual(seen.viewer, { liked: true, reposted: true });
  assert.deepEqual((await cal.feed.post.read({ id })).viewer, { liked: true, reposted: false });
  assert.deepEqual((await guest.feed.post.read({ id })).viewer, { liked: false, reposted: false });
  for (let times = 0; times < 2; times += 1) {
    await dee.feed.like.delete({ id });
    await dee.feed.repost.delete({ id });
  }
  assert.deepEqual((await guest.feed.post.read({ id })).counts, { likes: 1, replies: 0, reposts: 0 });
  await assert.rejects(dee.feed.like.create({ id: newId() }), refused("not_found"));
  await assert.rejects(guest.feed.like.create({ id }), refused("unauthorized"));
});

test("many who like one post at the same moment are all counted, and none waits for another", async () => {
  const eli = await world.user("eli_many");
  const { id } = await eli.feed.post.create({ text: "popular" });
  const fans = Array.from({ length: 60 }, () => world.as({ kind: "user", id: newId(), sessionId: newId() }));
  await Promise.all(fans.map((fan) => fan.feed.like.create({ id })));
  assert.equal((await world.guest().feed.post.read({ id })).counts.likes, 60);
  await Promise.all(fans.slice(0, 25).map((fan) => fan.feed.like.delete({ id })));
  assert.equal((await world.guest().feed.post.read({ id })).counts.likes, 35);
  await world.settle();
  await eli.feed.post.delete({ id });
  await world.settle();
  for (const table of ["likes", "post_counts"])
    assert.equal(
      (await world.deps.sql`select from ${world.deps.sql(table)} where post_id = ${id}`).length,
      0,
    );
});

test("replies are counted, listed newest first, and only to what the writer can see", async () => {
  const [fay, gus, hex] = [
    await world.user("fay_reply"),
    await world.user("gus_reply"),
    await world.user("hex_reply"),
  ];
  const root = await fay.feed.post.create({ text: "question" });
  const made: string[] = [];
  for (let n = 0; n < 7; n += 1)
    made.unshift((await gus.feed.post.create({ text: `answer ${n}`, replyTo: root.id })).id);
  assert.equal((await gus.feed.post.read({ id: made[0]! })).replyTo, root.id);
  assert.equal((await fay.feed.post.read({ id: root.id })).counts.replies, 7);
  const first = await hex.feed.reply.list({ id: root.id, limit: 4 });
  await gus.feed.post.delete({ id: made[5]! });
  await gus.feed.post.create({ text: "later", replyTo: root.id });
  const rest = await hex.feed.reply.list({ id: root.id, limit: 10, cursor: first.nextCursor! });
  assert.deepEqual(
    [...first.items, ...rest.items].map(({ id }) => id),
    made.filter((_, at) => at !== 5),
  );
  assert.equal((await fay.feed.post.read({ id: root.id })).counts.replies, 7);
  await assert.rejects(gus.feed.post.create({ text: "to nobody", replyTo: newId() }), (error: never) => {
    const { cause } = error as { cause: { code: string; errors: { field: string }[] } };
    return cause.code === "invalid" && cause.errors[0]?.field === "replyTo";
  });
  await fay.users.block.create({ handle: "gus_reply" });
  await assert.rejects(gus.feed.post.create({ text: "more", replyTo: root.id }), refused("invalid"));
  await assert.rejects(gus.feed.reply.list({ id: root.id }), refused("not_found"));
  assert.deepEqual((await fay.feed.reply.list({ id: root.id })).items, []);
  await fay.feed.post.delete({ id: root.id });
  await assert.rejects(hex.feed.reply.list({ id: root.id }), refused("not_found"));
  assert.equal((await hex.feed.post.read({ id: made[0]! })).replyTo, root.id);
});

test("a post for followers is not there for anyone else", async () => {
  const [ida, jon, kit] = [
    await world.user("ida_own"),
    await world.user("jon_own"),
    await world.user("kit_own"),
  ];
  await jon.users.follow.create({ handle: "ida_own" });
  await world.settle();
  const { id } = await ida.feed.post.create({ text: "among us", visibility: "followers" });
  await ida.feed.post.create({ text: "for all" });
  await world.settle();
  for (const other of [kit, world.guest()]) {
    await assert.rejects(other.feed.post.read({ id }), refused("not_found"));
    await assert.rejects(other.feed.reply.list({ id }), refused("not_found"));
    await assert.rejects(other.feed.history.list({ id }), refused("not_found"));
    assert.deepEqual(texts(await other.feed.post.list({ handle: "ida_own" })), ["for all"]);
  }
  await assert.rejects(kit.feed.like.create({ id }), refused("not_found"));
  await assert.rejects(kit.feed.post.create({ text: "me too", replyTo: id }), refused("invalid"));
  assert.deepEqual(texts(await jon.feed.home.read({})), ["for all", "among us"]);
  await jon.feed.like.create({ id });
  await assert.rejects(jon.feed.repost.create({ id }), refused("forbidden"));
  await jon.users.follow.delete({ handle: "ida_own" });
  await assert.rejects(jon.feed.post.read({ id }), refused("not_found"));
  await ida.feed.post.edit({ id, visibility: "public" });
  assert.equal((await kit.feed.post.read({ id })).text, "among us");
});

test("what a text names is found: people who are there, hashtags and links", async () => {
  const [lou, mia] = [await world.user("lou_name"), await world.user("mia_name")];
  const me = (await mia.users.me.read()).id;
  const post = await lou.feed.post.create({
    text: "Hi @MIA_NAME and @mia_name, @nobody_here: see https://example.com/a_(b)?q=1#x. (http://example.org) #Été #été #2024 #a_1 x@mia_name.example a#no",
  });
  assert.deepEqual(post.entities, {
    mentions: [{ id: me, handle: "mia_name" }],
    hashtags: ["été", "a_1"],
    links: ["https://example.com/a_(b)?q=1#x", "http://example.org"],
  });
  assert.deepEqual(await mia.feed.post.read({ id: post.id }), post);
  const changed = await lou.feed.post.edit({ id: post.id, text: "nothing" });
  assert.deepEqual(changed.entities, { mentions: [], hashtags: [], links: [] });
  await mia.users.block.create({ handle: "lou_name" });
  assert.deepEqual((await lou.feed.post.create({ text: "@mia_name" })).entities.mentions, []);
});

test("media that are not there are refused by name", async () => {
  const ned = await world.user("ned_media");
  assert.equal((await ned.feed.post.create({ text: "none", mediaIds: [] })).media.length, 0);
  await assert.rejects(ned.feed.post.create({ text: "one", mediaIds: [newId()] }), (error: never) => {
    const { cause } = error as { cause: { code: string; errors: { field: string }[] } };
    return cause.code === "invalid" && cause.errors[0]?.field === "mediaIds";
  });
});

test("a post of another host that comes in above a page already read is on the next one", async () => {
  const [oda, pia] = [await world.user("oda_late"), await world.user("pia_late")];
  const [author, reader] = [(await oda.users.me.read()).id, (await pia.users.me.read()).id];
  await pia.users.follow.create({ handle: "oda_late" });
  await world.settle();
  const began = Date.now();
  const at = (ms: number) => idFloor(new Date(began + ms)).replace(/0{12}$/, newId().slice(-12));
  const write = (id: string) => world.deps.db.insert(tables.posts).values({ userId: author, id, text: id });
  const ids = Array.from({ length: 12 }, (_, n) => at(n * 10 - 200)).reverse();
  for (const id of ids) await write(id);
  const ctx = ctxOf(world.deps, { kind: "job", name: "test" });
  for (const isListed of [true, false]) {
    if (isListed) await buildTimeline(ctx, reader);
    else await world.deps.redis.del(timelineKey(reader));
    const first = await pia.feed.home.read({ limit: 4 });
    const late = at(-105 + (isListed ? 0 : 1));
    await write(late);
    await pushToTimelines(ctx, [reader], late);
    await oda.feed.post.create({ text: "new, and not late" });
    await world.settle();
    const given = first.items.map(({ id }) => id);
    for (let cursor = first.nextCursor; cursor; ) {
      const page = await pia.feed.home.read({ limit: 4, cursor });
      given.push(...page.items.map(({ id }) => id));
      cursor = page.nextCursor;
    }
    assert.ok(given.includes(late));
    assert.equal(new Set(given).size, given.length);
    assert.deepEqual(
      ids.filter((id) => !given.includes(id)),
      [],
    );
  }
});

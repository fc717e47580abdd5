import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { fixedLive } from "@signalbox/control/live";
import { newId } from "@signalbox/core/ids";
import { tables } from "@signalbox/db";
import { ctxOf, testWorld, type World } from "../testing.ts";
import { spread } from "./fan-out.ts";
import {
  buildTimeline,
  dropTimelines,
  pushToTimelines,
  readTimeline,
  removeFromTimelines,
  timelineKey,
} from "./timeline.ts";

let world: World;
before(async () => {
  world = await testWorld();
});
after(() => world.close());

const refused = (code: string) => (error: { cause?: { code?: string } }) => error.cause?.code === code;
const texts = (page: { items: { text: string }[] }) => page.items.map(({ text }) => text);

test("an author reads the own post back at once, with no job run", async () => {
  const ann = await world.user("ann_own");
  await ann.feed.home.read({});
  const post = await ann.feed.post.create({ text: "hello" });
  const [first] = (await ann.feed.home.read({})).items;
  assert.deepEqual(first, post);
  assert.equal(post.author.handle, "ann_own");
});

test("a follower sees a new post after the jobs ran, in a feed that was read before", async () => {
  const [bob, cat] = [await world.user("bob_push"), await world.user("cat_push")];
  await cat.users.follow.create({ handle: "bob_push" });
  await world.settle();
  assert.deepEqual(texts(await cat.feed.home.read({})), []);
  await bob.feed.post.create({ text: "one" });
  await bob.feed.post.create({ text: "two" });
  await world.settle();
  assert.deepEqual(texts(await cat.feed.home.read({})), ["two", "one"]);
});

test("following brings older posts, and unfollowing hides them at the very next read", async () => {
  const [dan, eve] = [await world.user("dan_back"), await world.user("eve_back")];
  await dan.feed.post.create({ text: "before the follow" });
  await eve.feed.home.read({});
  await eve.users.follow.create({ handle: "dan_back" });
  await world.settle();
  assert.deepEqual(texts(await eve.feed.home.read({})), ["before the follow"]);
  await eve.users.follow.delete({ handle: "dan_back" });
  assert.deepEqual(texts(await eve.feed.home.read({})), []);
});

test("events that arrive twice show a post once", async () => {
  const [fay, gil] = [await world.user("fay_twice"), await world.user("gil_twice")];
  await gil.users.follow.create({ handle: "fay_twice" });
  await world.settle();
  await gil.feed.home.read({});
  const post = await fay.feed.post.create({ text: "once" });
  const reader = (await gil.users.me.read()).id;
  for (let times = 0; times < 3; times += 1)
    await pushToTimelines(ctxOf(world.deps, { kind: "job", name: "test" }), [reader], post.id);
  await world.settle();
  assert.deepEqual(texts(await gil.feed.home.read({})), ["once"]);
});

test("paging through a feed gives every post once, over the end of the list, after the list was lost, and while posts arrive", async () => {
  const [hal, ivy] = [await world.user("hal_page"), await world.user("ivy_page")];
  await ivy.users.follow.create({ handle: "hal_page" });
  const made: string[] = [];
  for (let n = 0; n < 45; n += 1) made.push((await hal.feed.post.create({ text: `${n}` })).id);
  await world.settle();
  const reader = (await ivy.users.me.read()).id;
  const seen: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await ivy.feed.home.read({ limit: 10, cursor });
    assert.equal(page.items.length, page.nextCursor ? 10 : 5);
    seen.push(...page.items.map(({ id }) => id));
    cursor = page.nextCursor ?? undefined;
    if (seen.length === 10) await hal.feed.post.create({ text: "late" });
    if (seen.length === 20) await world.deps.redis.del(timelineKey(reader));
  } while (cursor);
  assert.deepEqual(seen, made.reverse());
});

test("a feed is whole although its list was filled out of order and trimmed many times", async () => {
  const [pam, quin] = [await world.user("pam_mixed"), await world.user("quin_mixed")];
  const [author, reader] = [(await pam.users.me.read()).id, (await quin.users.me.read()).id];
  await quin.users.follow.create({ handle: "pam_mixed" });
  await world.settle();
  await quin.feed.home.read({});
  const ids = Array.from({ length: 1_500 }, () => newId());
  await world.deps.db.insert(tables.posts).values(ids.map((id) => ({ userId: author, id, text: id })));
  const ctx = ctxOf(world.deps, { kind: "job", name: "test" });
  await buildTimeline(ctx, reader);
  // As after a fault: runs of posts arrive late, some of them twice.
  const late = ids.filter((_, at) => at % 97 < 20);
  const order = [
    ...ids.filter((_, at) => at % 97 >= 20).slice(0, 600),
    ...late,
    ...ids.filter((_, at) => at % 97 >= 20).slice(500),
  ];
  for (const id of order) await pushToTimelines(ctx, [reader], id);
  assert.ok((await world.deps.redis.llen(timelineKey(reader))) <= 881);
  const seen: string[] = [];
  for (let cursor: string | undefined, first = true; first || cursor; first = false) {
    const page = await quin.feed.home.read({ limit: 100, cursor });
    seen.push(...page.items.map(({ id }) => id));
    cursor = page.nextCursor ?? undefined;
  }
  assert.deepEqual(seen, ids.reverse());
});

test("a list that is dropped while it is built is not brought back, and what is pushed meanwhile is not lost", async () => {
  const [uma, vic] = [await world.user("uma_build"), await world.user("vic_build")];
  const reader = (await vic.users.me.read()).id;
  await vic.users.follow.create({ handle: "uma_build" });
  await world.settle();
  const old = await uma.feed.post.create({ text: "before" });
  const { redis } = world.deps;
  for (const isDropped of [true, false]) {
    await redis.del(timelineKey(reader));
    // The truth is read when the gate opens.
    const gate = Promise.withResolvers<void>();
    const begun = Promise.withResolvers<void>();
    const slow = new Proxy(world.deps.db, {
      get(target, name) {
        if (name !== "select") return Reflect.get(target, name);
        return (...words: []) => ({
          from: (table: never) => ({
            where: async (condition: never) => {
              begun.resolve();
              await gate.promise;
              return target
                .select(...words)
                .from(table)
                .where(condition);
            },
          }),
        });
      },
    });
    const ctx = ctxOf(world.deps, { kind: "job", name: "test" });
    const built = buildTimeline({ ...ctx, db: slow }, reader);
    await begun.promise;
    const late = newId();
    await pushToTimelines(ctx, [reader], late);
    if (isDropped) await dropTimelines(ctx, [reader]);
    gate.resolve();
    await built;
    const timeline = await readTimeline({ ...ctx, db: slow }, reader);
    assert.deepEqual(timeline?.below(undefined, 10), isDropped ? undefined : [late, old.id]);
    await buildTimeline(ctx, reader);
  }
});

test("taking a deleted post out of a list never lowers the list's floor", async () => {
  const reader = newId();
  const [lowest, unheld, floor, top] = [newId(), newId(), newId(), newId()];
  const ctx = ctxOf(world.deps, { kind: "job", name: "test" });
  const bytes = (id: string) => Buffer.from(id.replaceAll("-", ""), "hex");
  await world.deps.redis.rpush(timelineKey(reader), bytes(top), bytes(lowest), bytes(floor));
  for (const id of [floor, top]) await removeFromTimelines(ctx, [reader], id);
  const timeline = await readTimeline(ctx, reader);
  assert.deepEqual(timeline?.below(undefined, 10), []);
  assert.ok(timeline && !timeline.holds(unheld) && timeline.holds(top));
});

test("an author who grows large is fetched, not pushed, and nothing is lost on the way there or back", async () => {
  const live = fixedLive({ numbers: { "feed.pullAbove": { value: 2 } } });
  let aheadMs = 0;
  const large = await testWorld({ deps: { live, now: () => new Date(Date.now() + aheadMs) } });
  try {
    const star = await large.user("star");
    const fans = await Promise.all(["fan_1", "fan_2", "fan_3"].map((handle) => large.user(handle)));
    const expected: string[] = [];
    const post = async (text: string) => {
      await star.feed.post.create({ text });
      expected.unshift(text);
      await large.settle();
      for (const fan of fans) {
        assert.deepEqual(texts(await fan.feed.home.read({})), expected);
        await buildTimeline(ctxOf(large.deps, { kind: "job", name: "test" }), (await fan.users.me.read()).id);
        assert.deepEqual(texts(await fan.feed.home.read({})), expected);
      }
    };
    const listed = async () => large.deps.redis.llen(timelineKey((await fans[0]!.users.me.read()).id));
    for (const fan of fans) await fan.users.follow.create({ handle: "star" });
    await large.settle();
    await post("pushed for the last time");
    aheadMs += 60_000;
    const before = await listed();
    await post("fetched");
    await post("fetched too");
    assert.equal(await listed(), before);
    live.set({ numbers: { "feed.pullAbove": { value: 10 } } });
    await post("pushed again");
    assert.equal(await listed(), expected.length + 1);
  } finally {
    await large.close();
  }
});

test("a post for many is brought to them by jobs on a queue, to each once, and one that is deleted meanwhile to nobody", async () => {
  const live = fixedLive({ numbers: { "feed.spreadAbove": { value: 2 } } });
  const large = await testWorld({ deps: { live } });
  try {
    const star = await large.user("star");
    const fans = await Promise.all([1, 2, 3, 4, 5].map((n) => large.user(`fan_${n}`)));
    for (const fan of fans) await fan.users.follow.create({ handle: "star" });
    await large.settle();
    const ids = await Promise.all(fans.map(async (fan) => (await fan.users.me.read()).id));
    const ctx = ctxOf(large.deps, { kind: "job", name: "test" });
    for (const id of ids) await buildTimeline(ctx, id);
    const { id } = await star.feed.post.create({ text: "to many" });
    await large.settle();
    for (const fan of ids)
      assert.deepEqual((await readTimeline(ctx, fan))?.below(undefined, 10), [id], "not there once");
    assert.notEqual((await large.deps.queues.depth(spread.queue)).took, null, "no job was done");

    const { id: gone } = await star.feed.post.create({ text: "not for long" });
    await star.feed.post.delete({ id: gone });
    await spread.run(ctx, { userId: (await star.users.me.read()).id, id: gone, after: null, upTo: null });
    for (const fan of ids)
      assert.equal(await large.deps.redis.llen(timelineKey(fan)), 2, "a deleted post is in a list");
  } finally {
    await large.close();
  }
});

test("muting and blocking hide at the very next read, and a page is full all the same", async () => {
  const [rae, sam, tom] = [
    await world.user("rae_quiet"),
    await world.user("sam_quiet"),
    await world.user("tom_quiet"),
  ];
  for (const handle of ["rae_quiet", "sam_quiet"]) await tom.users.follow.create({ handle });
  await world.settle();
  await tom.feed.home.read({});
  const kept: string[] = [];
  for (let n = 0; n < 12; n += 1) {
    kept.unshift((await rae.feed.post.create({ text: `rae ${n}` })).text);
    await sam.feed.post.create({ text: `sam ${n}` });
  }
  const last = (await sam.feed.post.list({ handle: "sam_quiet", limit: 1 })).items[0]!;
  await world.settle();
  await tom.users.mute.create({ handle: "sam_quiet" });
  assert.deepEqual(texts(await tom.feed.home.read({ limit: 10 })), kept.slice(0, 10));
  await tom.users.mute.delete({ handle: "sam_quiet" });
  assert.equal((await tom.feed.home.read({ limit: 1 })).items[0]!.text, "sam 11");
  await sam.users.block.create({ handle: "tom_quiet" });
  assert.deepEqual(texts(await tom.feed.home.read({ limit: 100 })), kept);
  await assert.rejects(tom.feed.post.read({ id: last.id }), refused("not_found"));
});

test("a deleted post is gone from every read", async () => {
  const [joe, kim] = [await world.user("joe_del"), await world.user("kim_del")];
  await kim.users.follow.create({ handle: "joe_del" });
  const post = await joe.feed.post.create({ text: "soon gone" });
  await world.settle();
  assert.equal((await kim.feed.home.read({})).items.length, 1);
  await assert.rejects(kim.feed.post.delete({ id: post.id }), refused("forbidden"));
  await joe.feed.post.delete({ id: post.id });
  assert.equal((await kim.feed.home.read({})).items.length, 0);
  await assert.rejects(kim.feed.post.read({ id: post.id }), refused("not_found"));
});

test("a guest can read a post but not write one", async () => {
  const lea = await world.user("lea_guest");
  const post = await lea.feed.post.create({ text: "public" });
  assert.equal((await world.guest().feed.post.read({ id: post.id })).text, "public");
  await assert.rejects(world.guest().feed.post.create({ text: "no" }), refused("unauthorized"));
});

test("an empty post, a foreign cursor and a limit out of range are refused with the field's name", async () => {
  const max = await world.user("max_bad");
  await assert.rejects(max.feed.post.create({ text: "   " }));
  await assert.rejects(max.feed.home.read({ cursor: "bm90IG91cnM" }), refused("invalid"));
  await assert.rejects(max.feed.home.read({ limit: 101 }));
});

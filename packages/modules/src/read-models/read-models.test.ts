import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { newId } from "@signalbox/core/ids";
import { timelineKey } from "../feed/timeline.ts";
import { ctxOf, testWorld, type World } from "../testing.ts";
import { beginRun, continueRun, listRuns, readRun } from "./runs.ts";

let world: World;
let aheadMs = 0;
before(async () => {
  world = await testWorld({ deps: { now: () => new Date(Date.now() + aheadMs) } });
});
after(() => world.close());

const job = () => ctxOf(world.deps, { kind: "job", name: "test" });
const bytes = (id: string) => Buffer.from(id.replaceAll("-", ""), "hex");

async function goOver(name: string, heals: boolean) {
  await beginRun(job(), name, heals);
  while (await continueRun(job()));
  const { run } = await readRun(job(), name);
  assert.equal(run?.error, null);
  assert.equal(run.state, "done");
  return run;
}

test("damaged timelines are found, and healed while they are read", async () => {
  const [ann, bob, eve] = [
    await world.user("ann_rm"),
    await world.user("bob_rm"),
    await world.user("eve_rm"),
  ];
  const reader = (await bob.users.me.read()).id;
  await bob.users.follow.create({ handle: "ann_rm" });
  await world.settle();
  const ids: string[] = [];
  for (let n = 0; n < 30; n += 1) ids.unshift((await ann.feed.post.create({ text: `${n}` })).id);
  const foreign = (await eve.feed.post.create({ text: "not followed" })).id;
  await world.settle();
  const feed = async () => (await bob.feed.home.read({ limit: 100 })).items.map(({ id }) => id);
  assert.deepEqual(await feed(), ids);
  await world.settle();
  assert.deepEqual(await feed(), ids);
  const { redis } = world.deps;
  const key = timelineKey(reader);
  aheadMs += 60_000;
  assert.equal((await goOver("timelines", false)).wrong, 0);

  const kept = await redis.lrangeBuffer(key, 0, -1);
  const damages: (() => Promise<unknown>)[] = [
    () => redis.lrem(key, 0, bytes(ids[3]!)),
    () => redis.lpush(key, bytes(foreign)),
    () => redis.lpush(key, bytes(newId())),
  ];
  for (const damage of damages) {
    await redis.del(key);
    await redis.rpush(key, ...kept);
    await damage();
    aheadMs += 60_000;
    assert.equal((await goOver("timelines", false)).wrong, 1);
    assert.equal((await goOver("timelines", false)).wrong, 1);
    let reading = true;
    const readers = (async () => {
      while (reading) for (const id of await feed()) assert.ok(ids.includes(id));
    })();
    const run = await goOver("timelines", true);
    reading = false;
    await readers;
    assert.equal(run.wrong, 1);
    assert.equal((await goOver("timelines", false)).wrong, 0);
    assert.deepEqual(await feed(), ids);
    assert.ok((await redis.llen(key)) > ids.length);
  }
});

test("damaged counters are healed while people go on liking, and come out exact", async () => {
  const cal = await world.user("cal_rm");
  const posts: string[] = [];
  for (let n = 0; n < 12; n += 1) posts.push((await cal.feed.post.create({ text: `${n}` })).id);
  const fans = Array.from({ length: 10 }, () => world.as({ kind: "user", id: newId(), sessionId: newId() }));
  for (const fan of fans) for (const id of posts.slice(0, 4)) await fan.feed.like.create({ id });
  await cal.feed.post.create({ text: "answer", replyTo: posts[0] });
  await cal.feed.repost.create({ id: posts[1]! });
  assert.equal((await goOver("counters", false)).wrong, 0);

  await world.deps.sql`delete from post_counts where post_id = ${posts[0]!}`;
  await world.deps
    .sql`update post_counts set likes = likes + 7, reposts = reposts - 3 where post_id = ${posts[1]!}`;
  await world.deps.sql`
    insert into post_counts (user_id, post_id, slot, replies) select user_id, id, 9, 5 from posts where id = ${posts[9]!}`;
  assert.equal((await goOver("counters", false)).wrong, 3);
  let liking = true;
  const busy = fans.map(async (fan, n) => {
    for (let at = n; liking; at += 1) {
      const id = posts[at % posts.length]!;
      await fan.feed.like.create({ id });
      if (at % 3 === 0) await fan.feed.like.delete({ id });
    }
  });
  for (let times = 0; times < 5; times += 1) await goOver("counters", true);
  liking = false;
  await Promise.all(busy);
  assert.equal((await goOver("counters", false)).wrong, 0);
  for (const id of posts) {
    const [truth] = await world.deps.sql`select
      (select count(*)::int from likes where post_id = ${id}) as likes,
      (select count(*)::int from posts where reply_to = ${id}) as replies,
      (select count(*)::int from reposts where post_id = ${id}) as reposts`;
    assert.deepEqual((await world.guest().feed.post.read({ id })).counts, { ...truth });
  }
});

test("damaged counts of followers are healed while people go on following, and come out exact", async () => {
  const fans = ["fan_a", "fan_b", "fan_c", "fan_d"];
  const [gil] = await Promise.all(["gil_rm", ...fans].map((handle) => world.user(handle)));
  const id = (await gil!.users.me.read()).id;
  for (const fan of fans.slice(0, 2)) await (await world.user(fan)).users.follow.create({ handle: "gil_rm" });
  assert.equal((await goOver("follow-counters", false)).wrong, 0);
  await world.deps.sql`update user_counts set followers = 40, following = 7 where user_id = ${id}`;
  assert.equal((await goOver("follow-counters", false)).wrong, 1);
  let following = true;
  const busy = fans.slice(2).map(async (fan) => {
    const person = await world.user(fan);
    while (following) {
      await person.users.follow.create({ handle: "gil_rm" });
      await person.users.follow.delete({ handle: "gil_rm" });
    }
  });
  assert.equal((await goOver("follow-counters", true)).wrong, 1);
  following = false;
  await Promise.all(busy);
  assert.equal((await goOver("follow-counters", false)).wrong, 0);
  assert.deepEqual((await world.guest().users.profile.read({ handle: "gil_rm" })).counts, {
    followers: 2,
    following: 0,
  });
});

test("a run goes on where it stopped, and another that asks for the same is told of it", async () => {
  const dan = await world.user("dan_rm");
  const ids = Array.from({ length: 1_100 }, () => newId());
  const userId = (await dan.users.me.read()).id;
  await world.deps
    .sql`insert into posts (user_id, id, text) select ${userId}, unnest(${ids}::uuid[]), 'many'`;
  const begun = await beginRun(job(), "counters", true);
  assert.equal((await beginRun(job(), "counters", true)).run?.id, begun.run?.id);
  await assert.rejects(beginRun(job(), "counters", false), /is being rebuilt/);
  assert.equal(await continueRun(job(), () => true), true);
  const half = (await readRun(job(), "counters")).run!;
  assert.deepEqual([half.state, half.done], ["running", 500]);
  while (await continueRun(job()));
  const whole = (await readRun(job(), "counters")).run!;
  const [rows] = await world.deps.sql<{ count: number }[]>`select count(*)::int as count from posts`;
  assert.deepEqual([whole.state, whole.done], ["done", rows!.count]);
  assert.deepEqual(
    (await listRuns(job())).map(({ name }) => name),
    ["timelines", "counters", "follow-counters"],
  );
  await assert.rejects(beginRun(job(), "nothing", true), /there are: timelines, counters, follow-counters/);
});

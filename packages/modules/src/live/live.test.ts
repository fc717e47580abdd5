import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { idFloor, newId } from "@signalbox/core/ids";
import { connectRedis } from "@signalbox/core/redis";
import type { AsUser } from "../ctx.ts";
import { ctxOf, testWorld, type World } from "../testing.ts";
import { liveSources } from "./sources.ts";
import { createStreams, type LiveEvent, type LivePace, type Streams } from "./streams.ts";

let world: World;
before(async () => {
  world = await testWorld();
});
after(async () => {
  await Promise.all(held.map((streams) => streams.close()));
  await world.close();
});

const held: Streams[] = [];
function hold(pace: Partial<LivePace> = {}, more: Partial<Parameters<typeof createStreams>[0]> = {}) {
  const streams = createStreams({
    ...world.deps,
    sources: liveSources,
    pace: { restMs: 5, ...pace },
    ...more,
  });
  held.push(streams);
  return streams;
}
const never = 3_600_000;

async function ctxFor(handle: string): Promise<AsUser> {
  const { id } = await (await world.user(handle)).users.me.read();
  return ctxOf(world.deps, { kind: "user", id, sessionId: newId() }) as AsUser;
}

/** Reads events until one fits, and gives those before it too. */
async function until(
  events: AsyncGenerator<LiveEvent>,
  fits: (event: LiveEvent) => boolean,
): Promise<LiveEvent[]> {
  const seen: LiveEvent[] = [];
  for (;;) {
    const { value, done } = await events.next();
    if (done) throw new Error(`the stream ended after ${JSON.stringify(seen)}`);
    seen.push(value);
    if (fits(value)) return seen;
  }
}
const textOf = (event: LiveEvent) => (event.event === "post" ? (event.data as { text: string }).text : "");
const idOf = (event: LiveEvent | undefined) => (event && "id" in event ? event.id : undefined);

test("posts and notifications come as they are made, woken by the workers alone", async () => {
  const [ann, bob] = [await world.user("ann_live"), await world.user("bob_live")];
  await bob.users.follow.create({ handle: "ann_live" });
  await ann.feed.post.create({ text: "before" });
  await world.settle();
  const streams = hold({ toldMs: never, aloneMs: never });
  const events = await streams.open(await ctxFor("bob_live"), undefined, undefined);
  assert.equal((await events.next()).value?.event, "ready");
  // Posts and notifications come each in their own order.
  let left = 3;
  const coming = until(events, ({ event }) => ["post", "notification"].includes(event) && --left === 0);
  const { id } = await ann.feed.post.create({ text: "first" });
  const own = await bob.feed.post.create({ text: "own" });
  await world.settle();
  await ann.feed.like.create({ id: own.id });
  await world.settle();
  const seen = await coming;
  assert.deepEqual(seen.map(textOf).filter(Boolean).sort(), ["first", "own"]);
  assert.ok(seen.some((event) => event.event === "post" && (event.data as { id: string }).id === id));
  const told = seen.find(({ event }) => event === "notification") as Extract<
    LiveEvent,
    { event: "notification" }
  >;
  const { kind, postId, actor } = told.data as { kind: string; postId: string; actor: { handle: string } };
  assert.deepEqual([kind, postId, actor.handle], ["like", own.id, "ann_live"]);
  await events.return(undefined);
  await streams.close();
});

test("a stream that was cut goes on behind its last event, without a gap and without a repetition", async () => {
  const [cal, dan] = [await world.user("cal_live"), await world.user("dan_live")];
  await dan.users.follow.create({ handle: "cal_live" });
  const ctx = await ctxFor("dan_live");
  const streams = hold({ toldMs: 20, aloneMs: 20 });
  const texts: string[] = [];
  let last: string | undefined;
  for (let round = 0; round < 8; round += 1) {
    const events = await streams.open(ctx, last, undefined);
    const ready = (await events.next()).value as Extract<LiveEvent, { event: "ready" }>;
    assert.equal(ready.data.resumed, round > 0);
    last = ready.id;
    for (let n = 0; n < 3; n += 1) await cal.feed.post.create({ text: `${round}.${n}` });
    // The rest of what is there is left to the next connection.
    const seen = await until(events, (event) => event.event === "post");
    texts.push(...seen.map(textOf).filter(Boolean));
    last = idOf(seen.at(-1)) ?? last;
    await events.return(undefined);
  }
  const events = await streams.open(ctx, last, undefined);
  texts.push(...(await until(events, (event) => textOf(event) === "7.2")).map(textOf).filter(Boolean));
  assert.deepEqual(
    texts,
    Array.from({ length: 24 }, (_, n) => `${Math.floor(n / 3)}.${n % 3}`),
  );
  await events.return(undefined);
  await streams.close();
});

test("without Redis a stream looks by itself", async () => {
  const [eve, flo] = [await world.user("eve_live"), await world.user("flo_live")];
  await flo.users.follow.create({ handle: "eve_live" });
  const ctx = await ctxFor("flo_live");
  const gone = connectRedis("redis://127.0.0.1:1", { retryStrategy: () => null });
  const streams = hold({ toldMs: never, aloneMs: 20 }, { redis: gone });
  const events = await streams.open(ctx, undefined, undefined);
  await events.next();
  await eve.feed.post.create({ text: "alone" });
  await until(events, (event) => textOf(event) === "alone");
  await events.return(undefined);
  await streams.close();
  gone.disconnect();
});

test("while the database is away a stream stays, says that it is there, and misses nothing", async () => {
  const [gus, hal] = [await world.user("gus_live"), await world.user("hal_live")];
  await hal.users.follow.create({ handle: "gus_live" });
  const ctx = await ctxFor("hal_live");
  let isAway = false;
  const sources = liveSources.map((source) => ({
    ...source,
    read: (...words: Parameters<typeof source.read>) =>
      isAway
        ? Promise.reject(Object.assign(new Error("connect ECONNREFUSED"), { code: "ECONNREFUSED" }))
        : source.read(...words),
  }));
  const streams = hold({ toldMs: 20, aloneMs: 20, beatMs: 30 }, { sources });
  const events = await streams.open(ctx, undefined, undefined);
  const place = idOf((await events.next()).value as LiveEvent)!;
  isAway = true;
  await gus.feed.post.create({ text: "meanwhile" });
  await until(events, (event) => event.event === "beat");
  // New ones begin all the same, with a place to go on from or without.
  const others = [await streams.open(ctx, place, undefined), await streams.open(ctx, undefined, undefined)];
  for (const other of others) assert.equal(((await other.next()).value as LiveEvent).event, "ready");
  isAway = false;
  for (const each of [events, ...others]) {
    await until(each, (event) => textOf(event) === "meanwhile");
    await each.return(undefined);
  }
  await streams.close();
});

test("what is hidden is not given: blocked, muted, deleted, not followed any more", async () => {
  const [ivy, joe] = [await world.user("ivy_live"), await world.user("joe_live")];
  const others = ["kim_live", "leo_live", "mia_live", "ned_live"];
  for (const handle of others) {
    await world.user(handle);
    await ivy.users.follow.create({ handle });
  }
  const ctx = await ctxFor("ivy_live");
  const streams = hold({ toldMs: 30, aloneMs: 30 });
  const events = await streams.open(ctx, undefined, undefined);
  await events.next();
  await ivy.users.block.create({ handle: "kim_live" });
  await ivy.users.mute.create({ handle: "leo_live" });
  await ivy.users.follow.delete({ handle: "mia_live" });
  for (const handle of others.slice(0, 3))
    await (await world.user(handle)).feed.post.create({ text: `hidden ${handle}` });
  await joe.feed.post.create({ text: "hidden stranger" });
  await (await world.user("ned_live")).feed.post.create({ text: "shown" });
  const seen = await until(events, (event) => textOf(event) === "shown");
  assert.deepEqual(
    seen.map(textOf).filter((text) => text.startsWith("hidden")),
    [],
  );
  await events.return(undefined);
  await streams.close();
});

test("one more stream than a user may have ends the oldest, and says so", async () => {
  const ctx = await ctxFor("max_live");
  const streams = hold({ toldMs: never, aloneMs: never });
  const open = [];
  for (let n = 0; n < 6; n += 1) {
    const events = await streams.open(ctx, undefined, undefined);
    await events.next();
    open.push(events);
  }
  const [first, ...others] = open;
  const end = (await until(first!, (event) => event.event === "end")).at(-1);
  assert.equal(end?.event === "end" && end.data.code, "replaced");
  assert.equal((await first!.next()).done, true);
  // Shutting down ends the others with a time to come back.
  const ends = others.map((events) => until(events, (event) => event.event === "end"));
  await streams.close();
  for (const seen of await Promise.all(ends)) {
    const last = seen.at(-1);
    assert.ok(last?.event === "end" && last.data.code === "leaving" && last.data.retryMs > 0);
  }
  await Promise.all(others.map((events) => events.return(undefined)));
  await assert.rejects(streams.open(ctx, undefined, undefined), /no more live streams/);
});

test("a stream ends with its session, and what is too old is not caught up with", async () => {
  const ctx = await ctxFor("pia_live");
  const ended = new Set<string>();
  const revocations = { has: (id: string) => ended.has(id) };
  const streams = hold({ toldMs: never, aloneMs: never }, { revocations });
  const events = await streams.open(ctx, undefined, undefined);
  const place = idOf((await events.next()).value as LiveEvent)!;
  ended.add(ctx.actor.sessionId);
  const end = (await until(events, (event) => event.event === "end")).at(-1);
  assert.equal(end?.event === "end" && end.data.code, "unauthorized");
  ended.clear();
  const old = Buffer.from(idFloor(new Date(Date.now() - 25 * 3_600_000)).replaceAll("-", ""), "hex").toString(
    "base64url",
  );
  const late = await streams.open(ctx, `${old}.${old}`, undefined);
  assert.equal(((await late.next()).value as LiveEvent).event, "reset");
  await late.return(undefined);
  for (const bad of ["", "x", old, `${place}.x`])
    await assert.rejects(streams.open(ctx, bad, undefined), /Last-Event-ID/);
  await streams.close();
});

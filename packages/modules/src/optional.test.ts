import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { fixedLive } from "@signalbox/control/live";
import type { SettingsInput } from "@signalbox/control/settings";
import { createCache } from "@signalbox/core/cache/cache";
import { connectDatabase } from "@signalbox/db";
import type { Ctx } from "./ctx.ts";
import { entities } from "./entities.ts";
import { forgetMarks, marks } from "./feed/cached.ts";
import { appRouter } from "./index.ts";
import { ctxOf, testWorld, type World } from "./testing.ts";

let world: World;
let author: Ctx["actor"];
let postId: string;

before(async () => {
  world = await testWorld();
  const ann = await world.user("ann");
  const { id } = await ann.users.me.read();
  author = { kind: "user", id, sessionId: "s" };
  postId = (await ann.feed.post.create({ text: "a post" })).id;
  await ann.feed.like.create({ id: postId });
  await world.settle();
});
after(() => world.close());

function ask({ settings, ...deps }: Partial<Ctx> & { settings?: SettingsInput }) {
  const live = settings ? fixedLive(settings) : world.deps.live;
  const ctx = { ...ctxOf({ ...world.deps, live }, author), ...deps };
  return { api: appRouter.createCaller(ctx), headers: ctx.answer.headers };
}

test("where nothing is wrong nothing is left out, and nothing is said", async () => {
  const { api, headers } = ask({});
  const page = await api.feed.home.read({});
  assert.deepEqual([page.items[0]?.counts.likes, page.items[0]?.viewer.liked], [1, true]);
  assert.equal("degraded" in page, false);
  assert.equal(headers.Degraded, undefined);
});

test("an operator leaves out counts, and lists and single posts say so", async () => {
  const settings: SettingsInput = { switches: { "feed.item.counts": { state: "off" } } };
  const list = ask({ settings });
  const page = await list.api.feed.home.read({});
  assert.deepEqual([page.items[0]?.counts.likes, page.items[0]?.viewer.liked], [0, true]);
  assert.deepEqual(page.degraded, ["counts"]);
  assert.equal(list.headers.Degraded, "counts");
  const single = ask({ settings });
  assert.equal((await single.api.feed.post.read({ id: postId })).counts.likes, 0);
  assert.equal(single.headers.Degraded, "counts");
});

test("a service that is overloaded leaves out what is optional, unless told not to", async () => {
  const isOverloaded = (service: string) => service === "feed";
  const { api, headers } = ask({ isOverloaded });
  const page = await api.feed.home.read({});
  assert.deepEqual([page.items[0]?.text, page.items[0]?.viewer.liked], ["a post", false]);
  assert.deepEqual(page.degraded, ["counts", "viewer"]);
  assert.equal(headers.Degraded, "counts, viewer");
  const found = await api.users.people.search({ q: "annn" });
  assert.equal("degraded" in found, false);
  const told = ask({ isOverloaded, settings: { shed: { feed: { degrade: false } } } });
  assert.equal("degraded" in (await told.api.feed.home.read({})), false);
});

test("people are found by the beginning of their handle while likeness costs too much", async () => {
  const isOverloaded = (service: string) => service === "users";
  const exact = await ask({ isOverloaded }).api.users.people.search({ q: "ann" });
  assert.deepEqual(exact.degraded, ["ranking"]);
  assert.deepEqual(
    exact.items.map(({ handle }) => handle),
    ["ann"],
  );
});

test("a part that is away costs the answer that part only; what nobody can do without fails", async () => {
  const away = connectDatabase("postgres://127.0.0.1:1/nothing", { name: "test", poolSize: 1 });
  // What is in the cache needs no database.
  const known = ask({ sql: away.sql });
  assert.equal((await known.api.feed.post.read({ id: postId })).viewer.liked, true);
  assert.equal(known.headers.Degraded, undefined);
  const { redis, log, instance, live } = world.deps;
  const cache = createCache({
    redis,
    log,
    source: away.shared,
    entities,
    instance: instance.id,
    settings: () => live.rules().cacheAt(Date.now()),
  });
  await forgetMarks(world.deps, [author.kind === "user" ? author.id : ""]);
  const entity: Ctx["cache"]["entity"] = (wanted) =>
    (wanted.name === marks.name ? cache : world.deps.cache).entity(wanted);
  const { api, headers } = ask({ sql: away.sql, cache: { ...world.deps.cache, entity } });
  const post = await api.feed.post.read({ id: postId });
  assert.deepEqual([post.counts.likes, post.viewer.liked], [1, false]);
  assert.equal(headers.Degraded, "viewer");
  await assert.rejects(api.users.people.search({ q: "a" }), /the database is away/);
  await cache.close();
  await away.close();
});

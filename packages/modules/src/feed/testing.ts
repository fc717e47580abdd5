// Random histories of a feed against a naive model: what people do, in any order, while the workers stop, repeat themselves or die
// in the middle and lists vanish. At every read nothing shows that must not; when all is settled a feed is exactly the model's.

import assert from "node:assert/strict";
import { fixedLive } from "@signalbox/control/live";
import type { BusEvent, Handler } from "@signalbox/core/bus/bus";
import { decodeEvent, encodeRow, type OutboxText } from "@signalbox/core/bus/envelope";
import { newId } from "@signalbox/core/ids";
import type { Queues } from "@signalbox/core/queue/definition";
import type { Redis } from "@signalbox/core/redis";
import { sql } from "@signalbox/db/query";
import type { Ctx, Deps } from "../ctx.ts";
import { appRouter, jobs } from "../index.ts";
import { groupsOf, jobHandler } from "../run-jobs.ts";
import { ctxOf, testWorld } from "../testing.ts";
import { newProfile } from "../users/index.ts";
import { spread } from "./fan-out.ts";
import { buildTimeline, timelineKey } from "./timeline.ts";

type Person = { id: string; handle: string; caller: ReturnType<typeof appRouter.createCaller> };
type Model = {
  posts: { id: string; author: string; text: string }[];
  follows: Set<string>;
  blocks: Set<string>;
  mutes: Set<string>;
};

export type Histories = {
  /** So many, each from a seed of its own. */
  run(firstSeed: number, count: number): Promise<{ events: number; posts: number }>;
  close(): Promise<void>;
};

const edge = (a: Person, b: Person) => `${a.id} ${b.id}`;

/** Each history has its own people, settings and clock, so that many run side by side in one database. */
export async function openHistories(): Promise<Histories> {
  const world = await testWorld({ poolSize: 12 });

  async function run(seed: number) {
    const live = fixedLive();
    let aheadMs = 0;
    const spreads: unknown[] = [];
    const queues: Queues = { ...world.deps.queues, add: async (_queue, data) => String(spreads.push(data)) };
    const deps: Deps = { ...world.deps, live, queues, now: () => new Date(Date.now() + aheadMs) };
    const fragile = breakable(deps.redis);
    const handlers = [...groupsOf(jobs.filter(({ name }) => /^(feed|users)\./.test(name))).values()].map(
      (each) => jobHandler({ ...deps, redis: fragile.redis }, each),
    );
    const ctx = ctxOf(deps, { kind: "job", name: "test" });
    const random = randomFrom(seed);
    const pick = <T>(from: T[]): T => from[Math.floor(random() * from.length)]!;
    const window = pick([2, 3, 5, 12, 800]);
    const set = () =>
      live.set({
        numbers: {
          "feed.pullAbove": { value: pick([1, 2, 3, 10_000]) },
          "feed.spreadAbove": { value: pick([1, 2, 10_000]) },
          "feed.timelineEntries": { value: window },
        },
      });
    set();
    const people: Person[] = [];
    for (let n = 0; n < 6; n += 1) people.push(await newPerson(deps));
    const model: Model = { posts: [], follows: new Set(), blocks: new Set(), mutes: new Set() };
    const spreadOne = (data: unknown) =>
      spread.run({ ...ctx, redis: fragile.redis }, data as Parameters<typeof spread.run>[1]);
    const bus = createTestBus(
      ctx,
      handlers,
      people.map(({ id }) => id),
      { waiting: spreads, run: spreadOne },
    );

    const two = () => {
      const from = pick(people);
      return [from, pick(people.filter((one) => one !== from))] as const;
    };
    const follow = async () => {
      const [from, to] = two();
      if (model.blocks.has(edge(from, to)) || model.blocks.has(edge(to, from))) return;
      await from.caller.users.follow.create({ handle: to.handle });
      model.follows.add(edge(from, to));
    };
    const acts: [number, () => Promise<void>][] = [
      [
        26,
        async () => {
          const author = pick(people);
          const { id, text } = await author.caller.feed.post.create({ text: "x" });
          model.posts.push({ id, author: author.id, text });
        },
      ],
      [
        6,
        async () => {
          const post = pick(model.posts);
          if (!post) return;
          const author = people.find(({ id }) => id === post.author)!;
          const text = `${post.text.slice(0, 20)}${Math.floor(random() * 10)}`;
          await author.caller.feed.post.edit({ id: post.id, text });
          post.text = text;
        },
      ],
      [
        6,
        async () => {
          const post = pick(model.posts);
          if (!post) return;
          const author = people.find(({ id }) => id === post.author)!;
          await author.caller.feed.post.delete({ id: post.id });
          model.posts.splice(model.posts.indexOf(post), 1);
        },
      ],
      [16, follow],
      [
        6,
        async () => {
          const [from, to] = two();
          if (model.blocks.has(edge(to, from))) return;
          await from.caller.users.follow.delete({ handle: to.handle });
          model.follows.delete(edge(from, to));
        },
      ],
      [
        3,
        async () => {
          const [from, to] = two();
          await from.caller.users.block.create({ handle: to.handle });
          model.blocks.add(edge(from, to));
          model.follows.delete(edge(from, to));
          model.follows.delete(edge(to, from));
        },
      ],
      [
        3,
        async () => {
          const [from, to] = two();
          await from.caller.users.block.delete({ handle: to.handle });
          model.blocks.delete(edge(from, to));
        },
      ],
      [
        4,
        async () => {
          const [from, to] = two();
          if (model.blocks.has(edge(to, from))) return;
          await from.caller.users.mute.create({ handle: to.handle });
          model.mutes.add(edge(from, to));
        },
      ],
      [
        4,
        async () => {
          const [from, to] = two();
          await from.caller.users.mute.delete({ handle: to.handle });
          model.mutes.delete(edge(from, to));
        },
      ],
      [14, async () => checkNow(pick(people), model)],
      // The workers go on for a while; else they stand still.
      [14, async () => bus.deliver(Math.ceil(random() * 8), random, fragile)],
      [2, async () => void (await deps.redis.del(timelineKey(pick(people).id)))],
      [5, async () => set()],
      [4, async () => buildTimeline(ctx, pick(people).id)],
      // Longer than anything that holds for a while only.
      [
        6,
        async () => {
          aheadMs += 15_000;
        },
      ],
    ];
    const total = acts.reduce((sum, [weight]) => sum + weight, 0);
    for (let n = 0; n < 8; n += 1) await follow();
    for (let n = 0; n < 80; n += 1) {
      let at = random() * total;
      for (const [weight, act] of acts) {
        at -= weight;
        if (at >= 0) continue;
        await act();
        break;
      }
    }
    await bus.deliver(Number.POSITIVE_INFINITY, random, fragile);
    for (const person of people) {
      const expected = expectedFeed(person, model);
      const size = () => 1 + Math.floor(random() * 7);
      assert.deepEqual(await wholeFeed(person, size), expected, "as read first");
      // There is a list by now, whoever made it.
      await buildTimeline(ctx, person.id);
      assert.deepEqual(await wholeFeed(person, size), expected, "from the list");
    }
    return { events: bus.delivered, posts: model.posts.length };
  }

  return {
    async run(first, count) {
      const sum = { events: 0, posts: 0 };
      let next = first;
      const lane = async () => {
        while (next < first + count) {
          const seed = next++;
          try {
            const { events, posts } = await run(seed);
            sum.events += events;
            sum.posts += posts;
          } catch (error) {
            next = first + count;
            throw new Error(`TEST_SEED=${seed} shows it again`, { cause: error });
          }
        }
      };
      const lanes = await Promise.allSettled(Array.from({ length: atOnce }, lane));
      for (const each of lanes) if (each.status === "rejected") throw each.reason;
      return sum;
    },
    close: () => world.close(),
  };
}

const atOnce = 6;

async function newPerson(deps: Deps): Promise<Person> {
  const handle = `h${newId().replaceAll("-", "").slice(-20)}`;
  const ctx = ctxOf(deps, { kind: "guest" });
  const id = newId();
  await ctx.db.execute(sql`with ${newProfile(ctx, { id, handle })} select from claimed`);
  const actor = { kind: "user", id, sessionId: newId() } as const;
  // Each call a ctx of its own, as over HTTP.
  return { id, handle, caller: appRouter.createCaller(ctxOf(deps, actor)) };
}

function expectedFeed(reader: Person, { posts, follows, blocks, mutes }: Model): string[] {
  const shows = (author: string) => {
    const [there, back] = [`${reader.id} ${author}`, `${author} ${reader.id}`];
    return (
      author === reader.id ||
      (follows.has(there) && !blocks.has(there) && !blocks.has(back) && !mutes.has(there))
    );
  };
  return posts
    .filter(({ author }) => shows(author))
    .map(lineOf)
    .sort()
    .reverse();
}

const lineOf = ({ id, text }: { id: string; text: string }) => `${id} ${text}`;

/** Whatever the workers did or did not do: nothing that must not show, nothing twice, in order, and all of one's own. */
async function checkNow(reader: Person, model: Model): Promise<void> {
  const shown = (await reader.caller.feed.home.read({ limit: 100 })).items.map(lineOf);
  const allowed = new Set(expectedFeed(reader, model));
  assert.deepEqual(
    shown.filter((id) => !allowed.has(id)),
    [],
    "shows what is hidden",
  );
  assert.deepEqual(shown, [...new Set(shown)].sort().reverse(), "is out of order or holds a post twice");
  const own = model.posts.filter(({ author }) => author === reader.id).map(lineOf);
  assert.deepEqual(
    own.filter((id) => !shown.includes(id)),
    [],
    "lacks an own post",
  );
}

async function wholeFeed(reader: Person, size: () => number): Promise<string[]> {
  const ids: string[] = [];
  for (let cursor: string | undefined; ; ) {
    const limit = size();
    const page = await reader.caller.feed.home.read({ limit, ...(cursor ? { cursor } : {}) });
    ids.push(...page.items.map(lineOf));
    if (page.nextCursor === null) return ids;
    assert.equal(page.items.length, limit, "a page is short although there is another");
    cursor = page.nextCursor;
  }
}

/**
 * Delivers as the bus does: the events of one key in order and at least once, those of different keys in any order; and does jobs as
 * a queue does, at any time and at least once.
 */
function createTestBus(
  ctx: Ctx,
  handlers: Handler[],
  keys: string[],
  jobs: { waiting: unknown[]; run(data: unknown): Promise<void> },
) {
  const lanes = handlers.map((handle) => ({ handle, done: new Set<string>() }));
  const events: BusEvent[] = [];
  let seen = "0";
  let delivered = 0;

  const read = async (): Promise<BusEvent[]> => {
    const rows = await ctx.sql<(OutboxText & { position: string })[]>`
      select position::text, id, key, topic, version::text, payload::text, request_id, traceparent,
        (created_at at time zone 'UTC')::text || '+00' as created_at
      from outbox where key = any(${keys}::uuid[]) and position > ${seen} order by position`;
    for (const row of rows) {
      // Commits of one key are in order, and only this history writes these keys.
      seen = row.position;
      events.push(decodeEvent(encodeRow(row)));
    }
    return events;
  };

  return {
    get delivered() {
      return delivered;
    },
    async deliver(most: number, random: () => number, fragile: Fragile) {
      const events = await read();
      for (let n = 0; n < most; n += 1) {
        const waiting = lanes.flatMap((lane) => {
          const next = new Map<string, BusEvent>();
          for (const event of events)
            if (!lane.done.has(event.id) && !next.has(event.key)) next.set(event.key, event);
          return [...next.values()].map((event) => ({ lane, event }));
        });
        const at = Math.floor(random() * (waiting.length + jobs.waiting.length));
        if (waiting.length + jobs.waiting.length === 0) return;
        const chosen = waiting[at];
        const [job] = chosen ? [] : jobs.waiting.splice(at - waiting.length, 1);
        const run = () =>
          chosen
            ? chosen.lane.handle(chosen.event, { group: "tests", partition: 0, attempt: 1 })
            : jobs.run(job);
        if (random() < 0.25) {
          fragile.breakAfter(Math.floor(random() * 3));
          await run().catch(() => {});
          fragile.breakAfter(Number.POSITIVE_INFINITY);
        }
        await run();
        if (random() < 0.1) await run();
        chosen?.lane.done.add(chosen.event.id);
        delivered += 1;
      }
    },
  };
}

type Fragile = { redis: Redis; breakAfter(calls: number): void };

/** The same Redis, whose user dies after so many scripts. */
function breakable(redis: Redis): Fragile {
  let left = Number.POSITIVE_INFINITY;
  const get = (target: Redis, name: string | symbol) => {
    const value: unknown = Reflect.get(target, name);
    if (typeof value !== "function") return value;
    return (...words: unknown[]) => {
      if ((name === "eval" || name === "evalsha") && left-- <= 0)
        return Promise.reject(new Error("the worker died here"));
      return Reflect.apply(value, target, words);
    };
  };
  return {
    redis: new Proxy(redis, { get }),
    breakAfter: (calls) => {
      left = calls;
    },
  };
}

/** Mulberry32: the same history for the same seed. */
function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Reads `count` posts back to the first, while others are written and some of them deleted. */
export async function scrollBack(count: number): Promise<void> {
  const world = await testWorld();
  try {
    const [reader, ...authors] = [
      await newPerson(world.deps),
      await newPerson(world.deps),
      await newPerson(world.deps),
      await newPerson(world.deps),
    ];
    for (const { handle } of authors) await reader.caller.users.follow.create({ handle });
    const made = Array.from({ length: count }, () => newId());
    for (const [n, { id }] of authors.entries())
      await world.deps.sql`
        insert into posts (user_id, id, text)
        select ${id}, unnest(${made.filter((_, at) => at % authors.length === n)}::uuid[]), 'to scroll'`;
    await world.settle();
    await buildTimeline(ctxOf(world.deps, { kind: "job", name: "test" }), reader.id);
    const random = randomFrom(count);
    const left = new Set(made);
    const seen: string[] = [];
    for (let cursor: string | undefined, first = true; first || cursor; first = false) {
      const limit = 1 + Math.floor(random() * 100);
      const page = await reader.caller.feed.home.read({ limit, ...(cursor ? { cursor } : {}) });
      const ids = page.items.map(({ id }) => id);
      assert.ok(
        ids.every((id) => left.has(id)),
        "shows a deleted post, or one that is newer than the first page",
      );
      assert.ok(ids.length === limit || page.nextCursor === null, "a page is short");
      seen.push(...ids);
      cursor = page.nextCursor ?? undefined;
      const at = Math.floor(random() * made.length);
      for (const id of made.slice(at, at + 3)) {
        if (!left.delete(id)) continue;
        await authors[made.indexOf(id) % authors.length]!.caller.feed.post.delete({ id });
      }
      await authors[0]!.caller.feed.post.create({ text: "written meanwhile" });
      // The workers come along now and then.
      if (random() < 0.2) await world.settle();
    }
    assert.equal(new Set(seen).size, seen.length, "shows a post twice");
    const shown = new Set(seen);
    assert.deepEqual(
      [...left].filter((id) => !shown.has(id)),
      [],
      "lacks a post",
    );
  } finally {
    await world.close();
  }
}

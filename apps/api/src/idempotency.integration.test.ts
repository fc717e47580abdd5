// Idempotency keys through both doors, on real engines.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { AppError } from "@signalbox/core/errors";
import { createHealth } from "@signalbox/core/health";
import { newId } from "@signalbox/core/ids";
import { connectDatabase, tables } from "@signalbox/db";
import { openLine } from "@signalbox/db/testing-line";
import type { AsUser } from "@signalbox/modules/ctx";
import { transaction } from "@signalbox/modules/ctx";
import { pruneIdempotencyKeys } from "@signalbox/modules/idempotency";
import { ctxOf, testWorld, type World } from "@signalbox/modules/testing";
import { createRouter, userProcedure } from "@signalbox/modules/trpc";
import Fastify, { type FastifyInstance } from "fastify";
import { z } from "zod";
import { mountProcedures } from "./adapter/mount.ts";
import { prepareServer, serverOptions } from "./adapter/server.ts";
import { createGatewayApp } from "./app.ts";
import { createPublicCtx } from "./context.ts";

let world: World;
/** Two processes, as far as their memory goes. */
let app: FastifyInstance;
let slow: FastifyInstance;
let ann: string;
let annId: string;

const runs: Record<string, number> = {};
const gates = new Map<string, PromiseWithResolvers<void>>();
const gate = (name: string) => {
  const made = gates.get(name) ?? Promise.withResolvers<void>();
  gates.set(name, made);
  return made;
};

/** Verbs that stop where a test wants them to. */
const slowRouter = createRouter({
  slow: {
    thing: {
      create: userProcedure
        .meta({ rest: "POST /slow", status: 201 })
        .input(z.object({ word: z.string(), fail: z.enum(["before", "after", "refuse"]).optional() }))
        .mutation(async ({ ctx, input: { word, fail } }) => {
          runs[word] = (runs[word] ?? 0) + 1;
          if (fail === "refuse") throw new AppError("conflict", `${word} is taken`);
          await transaction(ctx, async (ctx) => {
            await insertPost(ctx as unknown as AsUser, word);
            await gates.get(word)?.promise;
            if (fail === "before") throw new Error("lost before the commit");
          });
          if (fail === "after") throw new Error("lost after the commit");
          ctx.answer.headers.Location = `/slow/${runs[word]}`;
          return { word, run: runs[word] };
        }),
    },
  },
});

async function insertPost(ctx: AsUser, text: string) {
  await ctx.db.insert(tables.posts).values({ userId: ctx.actor.id, id: newId(), text });
}

before(async () => {
  world = await testWorld();
  app = createGatewayApp(world.deps, createHealth({ version: "test", serviceId: "test" }));
  slow = Fastify(serverOptions());
  prepareServer(slow, { log: world.deps.log, doors: { rest: ["/v1"], trpc: "/trpc" } });
  mountProcedures(slow, {
    router: slowRouter,
    createCtx: createPublicCtx(world.deps, { chargeBadToken() {} }),
    log: world.deps.log,
    trpcPrefix: "/trpc",
    versions: [{ name: "v1", prefix: "/v1" }],
  });
  const made = await post(app, "/v1/auth/register", {
    handle: "ann",
    email: "ann@example.test",
    password: "a phrase of my own",
  });
  ann = made.json().accessToken;
  annId = made.json().user.id;
});
after(async () => {
  await app.close();
  await slow.close();
  await world.close();
});

const post = (to: FastifyInstance, url: string, payload: object, key?: string, token?: string) =>
  to.inject({
    method: "POST",
    url,
    payload,
    headers: {
      ...(token ? { authorization: `Bearer ${token}` } : {}),
      ...(key === undefined ? {} : { "idempotency-key": key }),
    },
  });
const asAnn = (url: string, payload: object, key?: string) =>
  post(url.includes("slow") ? slow : app, url, payload, key, ann);
const countOf = async (text: string) =>
  Number((await world.deps.sql`select count(*) from posts where text = ${text}`)[0]!.count);

test("100 parallel identical calls take effect once and get 100 equal answers", async () => {
  const answers = await Promise.all(
    Array.from({ length: 100 }, () => asAnn("/v1/posts", { text: "once" }, "hundred")),
  );
  assert.deepEqual([...new Set(answers.map(({ statusCode, body }) => `${statusCode} ${body}`))].length, 1);
  assert.equal(answers[0]!.statusCode, 201);
  assert.equal(await countOf("once"), 1);
  const fields = await asAnn("/v1/posts", { text: "once" }, "hundred");
  assert.equal(fields.body, answers[0]!.body);
  assert.equal(fields.headers["idempotency-replayed"], "true");
  assert.notEqual(fields.headers["x-request-id"], answers[0]!.headers["x-request-id"]);
});

test("both doors share a key, and the order of fields says nothing", async () => {
  const rest = await asAnn("/v1/slow", { word: "doors", fail: undefined }, "doors");
  assert.equal(rest.headers.location, "/v1/slow/1");
  const trpc = await asAnn("/trpc/slow.thing.create", { word: "doors" }, "doors");
  assert.deepEqual(trpc.json().result.data, rest.json());
  const batch = await asAnn("/trpc/slow.thing.create?batch=1", { 0: { word: "doors" } }, "doors");
  assert.deepEqual(batch.json()[0].result.data, rest.json());
  const again = await asAnn("/v1/slow", { word: "doors" }, "doors");
  assert.deepEqual([again.statusCode, again.headers.location], [201, "/v1/slow/1"]);
  assert.equal(runs.doors, 1);
});

test("a batch of several calls can not share a key", async () => {
  const url = "/trpc/slow.thing.create,slow.thing.create?batch=1";
  const answer = await asAnn(url, { 0: { word: "b" }, 1: { word: "b" } }, "batch");
  assert.equal(answer.statusCode, 422);
  assert.equal(runs.b, undefined);
});

test("another body or another call under the same key is 422, another caller's key is another key", async () => {
  await asAnn("/v1/posts", { text: "first body" }, "body");
  for (const [url, body] of [
    ["/v1/posts", { text: "second body" }],
    ["/v1/slow", { word: "first body" }],
  ] as const) {
    const answer = await asAnn(url, body, "body");
    assert.deepEqual([answer.statusCode, answer.json().code], [422, "invalid"]);
    assert.equal(answer.json().errors[0].field, "Idempotency-Key");
  }
  const bob = await post(app, "/v1/auth/register", {
    handle: "bob",
    email: "bob@example.test",
    password: "a phrase of my own",
  });
  const own = await post(app, "/v1/posts", { text: "second body" }, "body", bob.json().accessToken);
  assert.equal(own.statusCode, 201);
});

test("a key that is empty, too long or not visible ASCII is 422", async () => {
  for (const key of ["", "a b", "k".repeat(256), "schlüssel", "tab\there"]) {
    const answer = await asAnn("/v1/posts", { text: "never" }, key);
    assert.equal(answer.statusCode, 422, key);
  }
  assert.equal((await asAnn("/v1/posts", { text: "longest" }, "~".repeat(255))).statusCode, 201);
  assert.equal(await countOf("never"), 0);
});

test("while the first one runs, here or elsewhere, the same call is 409", async () => {
  gate("held");
  const first = asAnn("/v1/slow", { word: "held" }, "held");
  await setTimeout(100);
  const second = await asAnn("/v1/slow", { word: "held" }, "held");
  assert.deepEqual([second.statusCode, second.json().code], [409, "conflict"]);
  gate("held").resolve();
  assert.equal((await first).statusCode, 201);
  assert.equal((await asAnn("/v1/slow", { word: "held" }, "held")).body, (await first).body);
});

test("what failed by itself is not kept; a refusal by the verb is", async () => {
  const failed = await asAnn("/v1/slow", { word: "lost", fail: "before" }, "lost");
  assert.equal(failed.statusCode, 500);
  assert.equal((await asAnn("/v1/slow", { word: "lost", fail: "before" }, "lost")).statusCode, 500);
  assert.deepEqual([runs.lost, await countOf("lost")], [2, 0]);
  const refused = await asAnn("/v1/slow", { word: "taken", fail: "refuse" }, "taken");
  const again = await asAnn("/v1/slow", { word: "taken", fail: "refuse" }, "taken");
  assert.deepEqual(
    [refused.statusCode, again.statusCode, again.json().detail, runs.taken],
    [409, 409, "taken is taken", 1],
  );
});

test("what took effect and lost its answer does not run again: 409 says so", async () => {
  const lost = await asAnn("/v1/slow", { word: "half", fail: "after" }, "half");
  assert.equal(lost.statusCode, 500);
  const again = await asAnn("/v1/slow", { word: "half", fail: "after" }, "half");
  assert.equal(again.statusCode, 409);
  assert.match(again.json().detail, /took effect/);
  assert.deepEqual([runs.half, await countOf("half")], [1, 1]);
});

test("a run that died before its effect is taken over after its lease, and can not commit any more", async () => {
  gate("dead");
  const dead = asAnn("/v1/slow", { word: "dead" }, "dead");
  await setTimeout(100);
  // As if the process had been gone for longer than the lease, and another one took the call.
  const [row] = await world.deps.sql`
    update idempotency_keys set claim = gen_random_uuid() where user_id = ${annId} and answer is null and effect_at is null returning 1`;
  assert.ok(row);
  gate("dead").resolve();
  const answer = await dead;
  assert.deepEqual([answer.statusCode, await countOf("dead")], [409, 0]);
  await world.deps
    .sql`update idempotency_keys set lease_until = now() where user_id = ${annId} and answer is null and effect_at is null`;
  gates.delete("dead");
  assert.equal((await asAnn("/v1/slow", { word: "dead" }, "dead")).statusCode, 201);
  assert.equal(await countOf("dead"), 1);
});

test("a key whose call met a database that stood still is free as soon as that goes on", async (context) => {
  const url = new URL(process.env.TEST_DATABASE_URL!);
  url.pathname = `/${world.deps.sql.options.database}`;
  const line = await openLine(context, url.href);
  const { db, sql, shared, close } = connectDatabase(line.url, { name: "held", poolSize: 2 });
  const held = createGatewayApp(
    { ...world.deps, db, sql, shared },
    createHealth({ version: "test", serviceId: "test" }),
  );
  context.after(async () => {
    await held.close();
    await close();
  });
  const send = (timeout: string, text = "stood still") =>
    held.inject({
      method: "POST",
      url: "/v1/posts",
      payload: { text },
      headers: {
        authorization: `Bearer ${ann}`,
        "idempotency-key": text.replace(" ", "-"),
        "x-request-timeout": timeout,
      },
    });
  // It is let go, and not found to have ended.
  await world.deps.sql.unsafe(`
    create function long_lease() returns trigger language plpgsql as
      $$ begin new.lease_until := now() + interval '1 hour'; return new; end $$;
    create trigger long_lease before insert on idempotency_keys for each row execute function long_lease()`);
  context.after(() => world.deps.sql.unsafe("drop function long_lease cascade"));
  // Connections are open, and what a post asks of the cache is there.
  assert.equal((await send("5s", "warm")).statusCode, 201);
  line.hold();
  const first = await send("300ms");
  assert.deepEqual([first.statusCode, first.json().code], [504, "deadline"]);
  assert.equal(await countOf("stood still"), 0);
  line.release();
  let again = await send("5s");
  for (const end = performance.now() + 10_000; again.statusCode === 409 && performance.now() < end; ) {
    assert.match(again.json().detail, /still running/);
    await setTimeout(100);
    again = await send("5s");
  }
  assert.equal(again.statusCode, 201);
  assert.equal((await send("5s")).body, again.body);
  assert.equal(await countOf("stood still"), 1);
});

test("a guest who registers twice with one key has one account, and no token is in the table", async () => {
  const body = { handle: "cat", email: "cat@example.test", password: "a phrase of my own" };
  const [one, two] = await Promise.all([
    post(app, "/v1/auth/register", body, "guest-key"),
    post(app, "/v1/auth/register", body, "guest-key"),
  ]);
  assert.deepEqual([one.statusCode, two.body], [201, one.body]);
  const rows = await world.deps.sql`select * from idempotency_keys`;
  const kept = Buffer.concat(
    rows.flatMap(({ id, fingerprint, answer }) => [id, fingerprint, answer ?? Buffer.alloc(0)]),
  );
  for (const secret of [one.json().accessToken, "accessToken", "guest-key", "cat@example.test"])
    assert.equal(kept.includes(secret), false);
  const thief = await post(app, "/v1/auth/register", { ...body, password: "another phrase" }, "guest-key");
  assert.equal(thief.statusCode, 422);
});

test("after a day a key is new", async () => {
  await asAnn("/v1/posts", { text: "old key" }, "old");
  // Well in the past: between two cores the clock may be a few µs behind.
  const aDayPasses = () =>
    world.deps.sql`update idempotency_keys set expires_at = now() - interval '1 minute'`;
  await aDayPasses();
  assert.equal((await asAnn("/v1/posts", { text: "old key" }, "old")).statusCode, 201);
  assert.equal(await countOf("old key"), 2);
  await aDayPasses();
  assert.ok((await pruneIdempotencyKeys(ctxOf(world.deps, { kind: "guest" }))) > 0);
  assert.equal((await world.deps.sql`select from idempotency_keys`).length, 0);
});

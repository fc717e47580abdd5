// The operators' procedures on real engines: what scripts and the console rely on.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { createLive, type Live } from "@signalbox/control/live";
import { verifyOperatorSession } from "@signalbox/control/operator-session";
import { mintSignInToken } from "@signalbox/control/sign-in";
import { quiet, startTestEngines, type TestEngines, until } from "@signalbox/control/testing";
import { createCache } from "@signalbox/core/cache/cache";
import { defaultTtl } from "@signalbox/core/cache/settings";
import { newId } from "@signalbox/core/ids";
import { createQueues } from "@signalbox/core/queues";
import { connectRedis } from "@signalbox/core/redis";
import { createRegistry } from "@signalbox/core/registry";
import { createDependencies, partNames } from "@signalbox/core/resilience/dependencies";
import { createSignals } from "@signalbox/core/signals/signals";
import { createGateway } from "@signalbox/gateway";
import { awaited, testCall } from "@signalbox/gateway/testing";
import type { Actor, Ctx, Deps } from "../ctx.ts";
import { entities } from "../entities.ts";
import { askedWork, jobs, work } from "../index.ts";
import { groupsOf } from "../run-jobs.ts";
import { ctxOf } from "../testing.ts";
import { nameError } from "../trpc.ts";
import { handleOwners, profiles } from "../users/cached.ts";
import { toCatalogue } from "./catalogue.ts";
import { type ControlPlane, openPlane, operatorRouter, streamGolden } from "./index.ts";

const secret = randomBytes(32);
const ann: Actor = { kind: "operator", id: "ann", name: "Ann", role: "admin" };

type Process = { live: Live; plane: ControlPlane; ctx: Ctx; close(): Promise<void> };

let engines: TestEngines;
let api: Process;
let workers: Process;

/** A process of the platform, as far as operators can tell. */
async function start(
  name: string,
  role: string,
  redis = engines.connect(),
  prefix = engines.prefix,
): Promise<Process> {
  const { db, sql } = engines.database;
  const dataDir = `${engines.dataDir}/${name}`;
  const log = quiet;
  const instance = { id: `${name}-1`, name, version: "1.0.0", track: "stable" as const, zone: "local" };
  const live = createLive({ log, sql, redis, secret, dataDir, instance, prefix });
  await live.start();
  const signals = createSignals({ redis, log, instance, prefix });
  signals.start();
  const registry = createRegistry({
    redis,
    log,
    prefix,
    instance: { ...instance, role, address: null, pid: 1, startedAt: new Date().toISOString() },
    describe: () => ({ revision: live.revision }),
  });
  await registry.start();
  const gateway = createGateway({ live, redis, log, instance, signals, prefix });
  const cacheRedis = redis.duplicate({ keyPrefix: `${prefix}:` });
  cacheRedis.on("error", () => {});
  const cache = createCache({
    redis: cacheRedis,
    log,
    source: { db, sql },
    entities,
    instance: instance.id,
    settings: () => live.rules().cacheAt(Date.now()),
  });
  await cache.start();
  const deps: Deps = {
    db,
    sql,
    shared: { db, sql },
    watch: sql,
    redis,
    cache,
    log,
    live,
    gateway,
    isOverloaded: gateway.isOverloaded,
    limiter: gateway.limiter,
    mailer: { server: null, send: async () => {}, close() {} },
    queues: createQueues({ url: process.env.TEST_REDIS_URL!, log, prefix }),
    dependencies: createDependencies({
      log,
      forced: (name) => live.rules().forced(name, Date.now()),
    }),
    passwordCost: { memoryCost: 19_456, timeCost: 2, parallelism: 1 },
    signals,
    registry,
    // Not asked by any of these procedures.
    revocations: undefined as unknown as Deps["revocations"],
    secret,
    instance,
    publicUrl: "http://127.0.0.1:8080",
    now: () => new Date(),
  };
  deps.dependencies.open({ name: "smtp", title: "the mail server" });
  signals.watchParts(() => ({ lanes: gateway.lanes(), dependencies: deps.dependencies.list() }));
  const plane = openPlane(deps, { prefix });
  return {
    live,
    plane,
    ctx: ctxOf(deps, ann),
    async close() {
      await plane.close();
      await deps.queues.close(100);
      await cache.close();
      cacheRedis.disconnect();
      await registry.close();
      await gateway.close();
      await signals.close();
      await live.close();
    },
  };
}

const as = (actor: Actor = ann, { ctx } = api) =>
  operatorRouter.createCaller({ ...ctx, actor, answer: { headers: {} } } as Ctx);

before(async () => {
  engines = await startTestEngines();
  [api, workers] = await Promise.all([start("api", "all"), start("workers", "worker")]);
  await until("the registry knows both", async () => (await api.ctx.registry.list())?.length === 2);
});
after(async () => {
  await Promise.all([api, workers].filter(Boolean).map((one) => one.close()));
  await engines?.close();
});

describe("switches", () => {
  test("the catalogue holds every procedure, job and prefix, and * first", async () => {
    const kinds = toCatalogue({
      ...{ tag: ["tags.jobs"], dependency: ["dependencies.smtp"], consumer: ["consumers.feed"] },
      ...{ job: ["feed.timeline.push"], procedure: ["feed.post.create", "feed.home.read"] },
    });
    assert.deepEqual(
      [...kinds],
      [
        ["*", "all"],
        ["consumers", "prefix"],
        ["consumers.feed", "consumer"],
        ["dependencies.smtp", "dependency"],
        ["feed", "prefix"],
        ["feed.home", "prefix"],
        ["feed.home.read", "procedure"],
        ["feed.post", "prefix"],
        ["feed.post.create", "procedure"],
        ["feed.timeline", "prefix"],
        ["feed.timeline.push", "job"],
        ["tags.jobs", "tag"],
      ],
    );
    const { items, nextCursor } = await as().switches.list({});
    assert.equal(items[0]?.key, "*");
    assert.equal(nextCursor, null);
    const kindOf = (key: string) => items.find((item) => item.key === key)?.kind;
    for (const { queue } of work) assert.equal(kindOf(queue.name), "queue");
    for (const group of groupsOf(jobs).keys()) assert.equal(kindOf(`consumers.${group}`), "consumer");
    for (const name of partNames) assert.equal(kindOf(`dependencies.${name}`), "dependency");
    for (const { name } of askedWork) assert.equal(kindOf(name), "job");
    for (const key of ["feed.post.create", "auth.session.create", "feed"])
      assert.ok(
        items.some((item) => item.key === key && item.state === "on" && item.revision === 0),
        key,
      );
  });

  test("pages follow each other without a gap", async () => {
    const all = (await as().switches.list({})).items.map(({ key }) => key);
    const keys: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await as().switches.list({ limit: 7, ...(cursor ? { cursor } : {}) });
      keys.push(...page.items.map(({ key }) => key));
      cursor = page.nextCursor ?? undefined;
    } while (cursor);
    assert.deepEqual(keys, all);
    await assert.rejects(as().switches.list({ cursor: "%%%" }), /cursor/);
  });

  test("off is enforced everywhere, confirmed by all, told by the log, and taken back", async () => {
    const call = () => testCall({ name: "feed.post.create" });
    const off = await as().switches.set({
      key: "feed.post.create",
      state: "off",
      message: "Posting is paused.",
      reason: "spam wave",
    });
    assert.deepEqual(
      [off.confirmations.expected, off.confirmations.confirmed, off.confirmations.missing],
      [2, 2, []],
    );
    assert.ok(off.confirmations.slowestMs !== null && off.confirmations.slowestMs < 500);
    for (const { ctx } of [api, workers])
      await assert.rejects(
        awaited(ctx.gateway)(call(), async () => 1),
        { code: "disabled", message: "Posting is paused." },
      );

    const { items } = await as().switches.list({});
    const item = items.find(({ key }) => key === "feed.post.create");
    assert.deepEqual(
      [item?.state, item?.share, item?.message, item?.reason, item?.revision, item?.changedBy?.name],
      ["off", 100, "Posting is paused.", "spam wave", off.version, "Ann"],
    );
    const services = await as().services.list({});
    assert.deepEqual(
      services.items.map(({ name, revision }) => [name, revision]),
      [
        ["api", off.version],
        ["workers", off.version],
      ],
    );
    assert.equal(services.known, true);

    const on = await as().switches.set({ key: "feed.post.create", state: "on", reason: "over" });
    assert.equal(on.version, off.version + 1);
    assert.equal(await awaited(api.ctx.gateway)(call(), async () => 1), 1);
    const history = await as().switches.history({ key: "feed.post.create", limit: 1 });
    assert.deepEqual(
      history.items.map(({ reason }) => reason),
      ["over"],
    );
    const older = await as().switches.history({
      key: "feed.post.create",
      limit: 1,
      cursor: history.nextCursor!,
    });
    assert.deepEqual(
      older.items.map(({ reason }) => reason),
      ["spam wave"],
    );
    assert.equal(older.nextCursor, null);
  });

  test("a prefix that is off shows as what its procedures meet", async () => {
    await as().switches.set({ key: "feed", state: "off", share: 25, reason: "a test" });
    const { items } = await as().switches.list({});
    const item = items.find(({ key }) => key === "feed.home.read");
    assert.deepEqual([item?.state, item?.effective], ["on", { state: "off", share: 25, by: "feed" }]);
    await as().switches.set({ key: "feed", state: "on", reason: "over" });
  });

  test("it reverts by itself within a second of its end", async () => {
    const expiresAt = new Date(Date.now() + 600).toISOString();
    await as().switches.set({ key: "users", state: "off", reason: "a test", expiresAt });
    assert.ok(workers.live.rules().off("users.profile.read", "u", Date.now()));
    await until("it is over", () => !workers.live.rules().off("users.profile.read", "u", Date.now()), 1_600);
    assert.ok(Date.now() - Date.parse(expiresAt) < 1_000);
    await until("the log tells it", async () => {
      const { items } = await as().switches.history({ key: "users" });
      return items[0]?.kind === "switch.expired" && items[0].actor.name === "expiry";
    });
  });

  test("unknown keys, missing reasons, ends in the past and nonsense are refused", async () => {
    const code = async (input: object) => {
      try {
        await as().switches.set({ key: "feed", state: "off", reason: "r", ...input } as never);
      } catch (error) {
        const cause = error instanceof Error ? error.cause : undefined;
        return (
          (cause as { code?: string })?.code ?? (cause as Error)?.name ?? (error as { code?: string }).code
        );
      }
    };
    const nothing = "not_found";
    assert.equal(await code({ key: "feed.nothing.here" }), nothing);
    assert.equal(await code({ key: "../../etc" }), nothing);
    assert.equal(await code({ key: "__proto__" }), nothing);
    assert.equal(await code({ key: "constructor" }), nothing);
    assert.equal(await code({ expiresAt: new Date(Date.now() - 1_000).toISOString() }), "invalid");
    for (const input of [
      { reason: "" },
      { reason: "x".repeat(501) },
      { reason: "a\0b" },
      { reason: "\ud800" },
      { share: 101 },
      { share: -1 },
      { state: "maybe" },
      { expiresAt: "tomorrow" },
    ])
      assert.ok((await code(input)) !== undefined && (await code(input)) !== nothing, JSON.stringify(input));
    assert.equal(api.live.rules().off("feed.home.read", "u", Date.now()), undefined);
  });

  test("a viewer sees and does not change; a stranger does neither", async () => {
    const viewer = as({ kind: "operator", id: "vic", name: "Vic", role: "viewer" });
    await viewer.switches.list({});
    await assert.rejects(viewer.switches.set({ key: "feed", state: "off", reason: "r" }), /role operator/);
    const user = as({ kind: "user", id: "u", sessionId: "s" });
    await assert.rejects(user.switches.list({}), /operator's token or session/);
  });

  test("a process that does not confirm is named after two seconds", async () => {
    await workers.live.close();
    const began = performance.now();
    const { confirmations } = await as().switches.set({ key: "users", state: "on", reason: "a test" });
    const waited = performance.now() - began;
    assert.deepEqual(
      [confirmations.expected, confirmations.confirmed, confirmations.missing],
      [2, 1, ["workers-1"]],
    );
    assert.ok(waited > 1_800 && waited < 2_600, `${waited} ms`);
    await workers.close();
    workers = await start("workers", "worker");
    await until("the registry knows both", async () => (await api.ctx.registry.list())?.length === 2);
  });
});

describe("caches", () => {
  const people = ["ann", "bob"].map((handle) => ({ handle, id: newId() }));
  const idOf = async (of: Process, handle: string) => of.ctx.cache.entity(handleOwners).read(handle);
  const list = async () => (await as().caches.list({})).items;
  const codeOf = (error: unknown) => nameError(error).code;

  before(async () => {
    const { sql } = engines.database;
    for (const { handle, id } of people) {
      await sql`insert into users (id, handle, display_name) values (${id}, ${handle}, ${handle})`;
      await sql`insert into handles (handle, user_id) values (${handle}, ${id})`;
      await sql`insert into user_counts (user_id) values (${id})`;
    }
  });

  test("each entity is told of over all instances: entries, hits, misses, fills and what is in force", async () => {
    assert.deepEqual(
      (await list()).map(({ entity, module }) => [entity, module]),
      [
        ["feed.counts", "feed"],
        ["feed.marks", "feed"],
        ["feed.post", "feed"],
        ["feed.pulled", "feed"],
        ["users.following", "users"],
        ["users.handle", "users"],
        ["users.profile", "users"],
        ["users.relations", "users"],
      ],
    );
    for (const process of [api, api, workers]) await idOf(process, "ann");
    await until("the other's word has come", async () => {
      const item = (await list()).find(({ entity }) => entity === "users.handle")!;
      return item.instances.some(({ instance, hits }) => instance === "workers-1" && hits === 1);
    });
    const item = (await list()).find(({ entity }) => entity === "users.handle")!;
    assert.deepEqual(
      [item.entries, item.hits, item.l1Hits, item.l2Hits, item.misses, item.stale, item.fills],
      [2, 2, 1, 1, 1, 0, 1],
    );
    assert.equal(item.hitRate, 0.6667);
    assert.ok(item.fillP50Ms! >= 0 && item.fillP99Ms! >= item.fillP50Ms!);
    assert.deepEqual(item.ttl, { ...defaultTtl });
  });

  test("one value, an entity, a module or everything is forgotten everywhere, and everyone says so", async () => {
    const { sql } = engines.database;
    const [ann, bob] = people;
    for (const what of [
      { key: "users.handle:ann" },
      { key: "users.handle" },
      { prefix: "users.handle" },
      { prefix: "*" },
      { module: "users" },
    ]) {
      for (const process of [api, workers]) assert.equal(await idOf(process, "ann"), ann!.id);
      await sql`update handles set user_id = ${bob!.id} where handle = 'ann'`;
      const done = await as().caches.invalidate({ ...what, reason: "a test" });
      assert.deepEqual(
        [done.expected, done.confirmed, done.missing],
        [2, 2, []],
        `${JSON.stringify(what)}: ${JSON.stringify(done)}`,
      );
      for (const process of [api, workers]) assert.equal(await idOf(process, "ann"), bob!.id);
      await sql`update handles set user_id = ${ann!.id} where handle = 'ann'`;
      await as().caches.invalidate({ key: "users.handle:ann", reason: "back" });
    }
    const [event] = (await as().audit.list({ kind: "cache", limit: 1 })).items;
    // The log can not be edited, so it does not say whose.
    assert.deepEqual(
      [event?.kind, event?.key, event?.reason, event?.after, event?.actor.name],
      ["cache.invalidated", "users.handle", "back", { one: true }, "Ann"],
    );
  });

  test("two hundred invalidations are each in force on another instance within 200 ms at p99", async () => {
    const tookMs: number[] = [];
    for (let n = 0; n < 200; n++) {
      await idOf(workers, "bob");
      const began = performance.now();
      const gone = workers.ctx.cache.status().entities.find(({ name }) => name === "users.handle")!;
      assert.ok(gone.inMemory > 0);
      const done = api.ctx.cache.invalidate({ name: "users.handle", id: "bob" }, ["api-1", "workers-1"]);
      assert.equal((await done).confirmed, 2);
      tookMs.push(performance.now() - began);
    }
    tookMs.sort((a, b) => a - b);
    assert.ok(tookMs[197]! <= 200, `p99 ${tookMs[197]} ms, worst ${tookMs[199]} ms`);
  });

  test("times are a setting like the others: confirmed by all, in the log, reverted by itself or by hand", async () => {
    const inForce = (of: Process) => of.ctx.cache.entity(profiles).ttl();
    assert.equal(inForce(workers).l2Ms, defaultTtl.l2Ms);
    const set = await as().caches.set({ entity: "users", l2Ms: 60_000, cdnSeconds: 0, reason: "a test" });
    assert.deepEqual([set.confirmations.expected, set.confirmations.confirmed], [2, 2]);
    for (const process of [api, workers])
      assert.deepEqual([inForce(process).l2Ms, inForce(process).cdnSeconds], [60_000, 0]);
    // The more exact key decides, as far as it says anything; what it does not say is the broader one's.
    const expiresAt = new Date(Date.now() + 800).toISOString();
    await as().caches.set({ entity: "users.profile", l2Ms: 5_000, reason: "for a moment", expiresAt });
    assert.deepEqual([inForce(workers).l2Ms, inForce(workers).cdnSeconds], [5_000, 0]);
    const told = await as().caches.list({});
    assert.deepEqual(
      told.set.map(({ key, l2Ms, reason }) => [key, l2Ms, reason]),
      [
        ["users", 60_000, "a test"],
        ["users.profile", 5_000, "for a moment"],
      ],
    );
    await until("its time is over", () => inForce(workers).l2Ms === 60_000, 2_000);
    assert.ok(Date.now() - Date.parse(expiresAt) < 1_000);
    await until("the log tells it", async () => {
      const { items } = await as().audit.list({ key: "users.profile", limit: 1 });
      return items[0]?.kind === "cache_ttl.expired";
    });
    await as().caches.reset({ entity: "users", reason: "over" });
    assert.deepEqual(inForce(workers), { ...defaultTtl });
    await assert.rejects(as().caches.reset({ entity: "users", reason: "again" }), /nothing is set/);
    const { state } = await as().audit.list({ at: expiresAt, limit: 1 });
    assert.ok(JSON.stringify(state?.settings).includes('"l2Ms":60000'));
  });

  test("a shorter time holds for what is kept already", async () => {
    const { sql } = engines.database;
    const [ann, bob] = people;
    assert.equal(await idOf(workers, "ann"), ann!.id);
    await sql`update handles set user_id = ${bob!.id} where handle = 'ann'`;
    await as().caches.set({ entity: "users.handle", l1Ms: 100, l2Ms: 100, reason: "a test" });
    await until("it is read anew", async () => (await idOf(workers, "ann")) === bob!.id, 1_000);
    await sql`update handles set user_id = ${ann!.id} where handle = 'ann'`;
    await as().caches.reset({ entity: "users.handle", reason: "over" });
  });

  test("unknown names, nothing to set, two targets at once and viewers are refused", async () => {
    const refused = async (work: Promise<unknown>) => work.then(() => "taken", codeOf);
    const { caches } = as();
    assert.equal(await refused(caches.set({ entity: "users.nothing", l1Ms: 1, reason: "r" })), "not_found");
    assert.equal(await refused(caches.set({ entity: "__proto__", l1Ms: 1, reason: "r" })), "not_found");
    assert.equal(await refused(caches.set({ entity: "users", reason: "r" })), "invalid");
    assert.equal(await refused(caches.set({ entity: "users", l1Ms: -1, reason: "r" })), "invalid");
    assert.equal(await refused(caches.invalidate({ reason: "r" })), "invalid");
    assert.equal(await refused(caches.invalidate({ key: "a", module: "users", reason: "r" })), "invalid");
    assert.equal(await refused(caches.invalidate({ module: "nobody", reason: "r" })), "not_found");
    const viewer = as({ kind: "operator", id: "vic", name: "Vic", role: "viewer" }).caches;
    await viewer.list({});
    assert.equal(await refused(viewer.invalidate({ prefix: "*", reason: "r" })), "forbidden");
  });

  test("warming reads what is followed most into the cache", async () => {
    await as().caches.invalidate({ prefix: "*", reason: "a test" });
    const { values } = await as().caches.warm({ prefix: "users.profile", reason: "a test" });
    assert.equal(values, 2);
    const before = (await list()).find(({ entity }) => entity === "users.profile")!.misses;
    await api.ctx.cache.entity(profiles).read(people[0]!.id);
    assert.equal((await list()).find(({ entity }) => entity === "users.profile")!.misses, before);
  });
});

describe("the audit log", () => {
  test("lists newest first, gives the whole state at an instant, and verifies", async () => {
    await as().switches.set({ key: "auth", state: "off", share: 1, reason: "before" });
    await new Promise((resolve) => setTimeout(resolve, 5));
    const at = new Date().toISOString();
    await new Promise((resolve) => setTimeout(resolve, 5));
    await as().switches.set({ key: "auth", state: "on", reason: "after" });
    const now = await as().audit.list({ limit: 2 });
    assert.deepEqual(
      now.items.map(({ reason }) => reason),
      ["after", "before"],
    );
    assert.equal(now.state, null);
    const then = await as().audit.list({ at, limit: 1 });
    assert.ok(then.state);
    assert.equal(then.items[0]?.reason, "before");
    const { switches } = then.state.settings as {
      switches: Record<string, { state: string; share: number }>;
    };
    assert.deepEqual([switches.auth?.state, switches.auth?.share], ["off", 1]);
    const verdict = await as().audit.verify();
    assert.equal(verdict.ok, true);
    assert.equal(verdict.head.revision, now.items[0]?.revision);
  });

  test("a removed tail shows, because processes remember its head", async () => {
    const { sql } = engines.database;
    const { version } = await as().switches.set({ key: "auth", state: "on", reason: "to be removed" });
    const [row] = await sql`delete from control_events where revision = ${version} returning *`;
    const verdict = await as().audit.verify();
    assert.deepEqual([verdict.ok, verdict.fault?.revision], [false, version]);
    const json = (value: unknown) => (value === null ? null : sql.json(value as never));
    const whole = { ...row, actor: json(row?.actor), before: json(row?.before), after: json(row?.after) };
    await sql`insert into control_events ${sql(whole as never)}`;
    await until("all is well again", async () => (await as().audit.verify()).ok);
  });
});

describe("limits", () => {
  test("have the contract's defaults and are changed everywhere at once", async () => {
    const { items } = await as().limits.list({});
    const shown = (key: string) => items.find((item) => item.key === key);
    assert.deepEqual(
      [shown("user")?.rate, shown("user")?.burst, shown("user")?.isDefault],
      [200, 1_000, true],
    );
    assert.deepEqual(
      [shown("auth.account.register")?.rate, shown("auth.account.register")?.burst],
      [20, 200],
    );

    const changed = await as().limits.set({
      key: "auth.account.register",
      rate: 1,
      burst: 3,
      reason: "a test",
    });
    assert.equal(changed.confirmations.confirmed, 2);
    const caller = { kind: "guest", id: "192.0.2.77", address: "192.0.2.77" } as const;
    const register = () =>
      awaited(workers.ctx.gateway)(
        testCall({ name: "auth.account.register", caller }),
        async () => true,
      ).catch(() => false);
    const taken = await Promise.all(Array.from({ length: 10 }, register));
    assert.equal(taken.filter(Boolean).length, 3);
    await as().limits.set({ key: "feed.post.create", rate: 5, burst: 5, reason: "a limit of its own" });
    assert.equal(
      (await as().limits.list({})).items.find(({ key }) => key === "feed.post.create")?.by,
      "caller",
    );
    await assert.rejects(
      as().limits.set({ key: "nothing", rate: 1, burst: 1, reason: "r" }),
      /nothing is called/,
    );
  });

  test("a reset brings the default back, or takes a limit of its own away, and the log says who did it", async () => {
    const limitOf = async (key: string) => (await as().limits.list({})).items.find((it) => it.key === key);
    await as().limits.set({ key: "auth.session.refresh", rate: 1, burst: 1, reason: "too many" });
    await as().limits.set({ key: "feed.post.delete", rate: 1, burst: 1, reason: "a limit of its own" });
    assert.deepEqual((await limitOf("auth.session.refresh"))?.preset, { rate: 50, burst: 400 });
    await as().limits.reset({ key: "auth.session.refresh", reason: "calm again" });
    await as().limits.reset({ key: "feed.post.delete", reason: "calm again" });
    assert.deepEqual(
      [(await limitOf("auth.session.refresh"))?.rate, (await limitOf("auth.session.refresh"))?.isDefault],
      [50, true],
    );
    assert.equal(await limitOf("feed.post.delete"), undefined);
    await assert.rejects(
      as().limits.reset({ key: "auth.session.refresh", reason: "r" }),
      /at its default already/,
    );
    const resets = await as().audit.list({ kind: "limit.reset", actor: "Ann" });
    assert.deepEqual(
      resets.items.map(({ key }) => key),
      ["feed.post.delete", "auth.session.refresh"],
    );
    assert.deepEqual((await as().audit.list({ kind: "limit", actor: "nobody" })).items, []);
  });
});

describe("signals", () => {
  test("the golden signals show what was answered and what was refused", async () => {
    await as().switches.set({ key: "feed.post.delete", state: "off", reason: "a test" });
    for (let n = 0; n < 20; n++) await api.ctx.gateway(testCall({ name: "feed.home.read" }), async () => 1);
    for (let n = 0; n < 5; n++)
      await awaited(workers.ctx.gateway)(testCall({ name: "feed.post.delete" }), async () => 1).catch(
        () => {},
      );
    await workers.ctx.signals.flush();
    const { items, partial, saturation } = await as().signals.golden({ window: "30s", by: "endpoint" });
    const of = (key: string) => items.find((item) => item.key === key);
    assert.deepEqual([of("feed.home.read")?.requests, of("feed.home.read")?.errors], [20, 0]);
    assert.deepEqual([of("feed.post.delete")?.requests, of("feed.post.delete")?.refused], [5, 5]);
    assert.equal(partial, false);
    assert.deepEqual(
      saturation.instances.map(({ name }) => name),
      ["api", "workers"],
    );
  });

  test("the stream brings a reading at once, then one a second, and ends when nobody listens", async () => {
    const stop = new AbortController();
    const sent: string[] = [];
    const done = streamGolden(
      api.ctx,
      { window: "30s", by: "service" },
      (text) => {
        sent.push(text);
        if (sent.length === 3) stop.abort();
      },
      stop.signal,
    );
    await done;
    assert.equal(sent[0], "retry: 2000\n\n");
    for (const text of sent.slice(1)) {
      assert.match(text, /^id: .+\ndata: \{.*\}\n\n$/);
      assert.equal(JSON.parse(text.split("data: ")[1]!).by, "service");
    }

    const iterator = (await as().signals.stream({ window: "30s", by: "track" }))[Symbol.asyncIterator]();
    assert.equal((await iterator.next()).value?.by, "track");
    await iterator.return?.();
  });
});

test("a number is changed within its bounds, ends by itself, and goes back to its default", async () => {
  const of = async () => (await as().numbers.list({})).items.find((item) => item.key === "feed.pullAbove")!;
  assert.equal((await of()).value, 10_000);
  await as().numbers.set({ key: "feed.pullAbove", value: 250_000, reason: "a benchmark" });
  assert.equal((await of()).value, 250_000);
  await assert.rejects(as().numbers.set({ key: "feed.pullAbove", value: 0, reason: "no" }), /must be from 1/);
  await assert.rejects(
    as().numbers.set({ key: "feed.nothing", value: 1, reason: "no" }),
    /no number is called/,
  );
  await as().numbers.reset({ key: "feed.pullAbove", reason: "done" });
  assert.equal((await of()).value, 10_000);
  await assert.rejects(
    as().numbers.reset({ key: "feed.pullAbove", reason: "done" }),
    /at its default already/,
  );
});

describe("shedding", () => {
  test("what a service takes is set for it or for all, with an end, and shown beside what goes on", async () => {
    const all = await as().shed.set({ key: "*", maxInFlight: 500, reason: "a small machine" });
    assert.deepEqual([all.confirmations.expected, all.confirmations.confirmed], [2, 2]);
    const expiresAt = new Date(Date.now() + 1_500).toISOString();
    await as().shed.set({ key: "feed", tolerance: 3, normalPercent: 50, reason: "a rush", expiresAt });
    await api.ctx.gateway(testCall({ name: "feed.post.read" }), async () => "answer");
    await api.ctx.signals.flush();
    const { items } = await as().shed.list({});
    assert.equal(items[0]?.key, "*");
    const feed = items.find(({ key }) => key === "feed")!;
    assert.deepEqual(feed.set, { tolerance: 3, normalPercent: 50 });
    assert.equal(feed.values.maxInFlight, 500);
    assert.equal(feed.values.tolerance, 3);
    const lane = feed.instances.find(({ name }) => name === "api")!;
    assert.ok(lane.limit > 0 && lane.inFlight === 0 && !lane.overloaded);
    assert.equal(workers.live.rules().shedOf("feed", Date.now()).normalPercent, 50);
    await until(
      "its time is over",
      () => api.live.rules().shedOf("feed", Date.now()).tolerance === 1.5,
      4_000,
    );
    await until("the log says so", async () =>
      (await as().audit.list({ key: "feed", kind: "shed.expired" })).items.some(
        ({ actor }) => actor.kind === "platform",
      ),
    );
    await as().shed.reset({ key: "*", reason: "a larger machine" });
    assert.equal(workers.live.rules().shedOf("users", Date.now()).maxInFlight, 2_000);
  });

  test("what makes no sense is refused", async () => {
    await assert.rejects(as().shed.set({ key: "feed", reason: "nothing" }), { message: /is needed/ });
    await assert.rejects(as().shed.set({ key: "feeds", maxQueue: 1, reason: "a typo" }), /no service/);
    await assert.rejects(
      as().shed.set({ key: "feed", minInFlight: 9_000, reason: "too much" }),
      /minInFlight/,
    );
    const viewer: Actor = { kind: "operator", id: "vic", name: "Vic", role: "viewer" };
    await assert.rejects(
      as(viewer).shed.set({ key: "feed", maxQueue: 1, reason: "not mine" }),
      /role operator/,
    );
  });
});

describe("dependencies", () => {
  test("a part is taken out of use everywhere, with an end, and comes back by itself", async () => {
    const smtp = () => api.ctx.dependencies.open({ name: "smtp" }).run(async () => "sent");
    assert.equal(await smtp(), "sent");
    const expiresAt = new Date(Date.now() + 1_500).toISOString();
    const done = await as().dependencies.force({
      name: "smtp",
      force: "open",
      reason: "it loses mails",
      expiresAt,
    });
    assert.deepEqual([done.confirmations.expected, done.confirmations.confirmed], [2, 2]);
    await assert.rejects(smtp(), { code: "unavailable", message: /by an operator/ });
    await Promise.all([api.ctx.signals.flush(), workers.ctx.signals.flush()]);
    const [item] = (await as().dependencies.list({})).items;
    assert.equal(item?.name, "smtp");
    assert.equal(item?.force, "open");
    assert.equal(item?.reason, "it loses mails");
    assert.deepEqual(item?.instances.map(({ process, forced }) => [process, forced]).sort(), [
      ["api", "open"],
      ["workers", "open"],
    ]);
    await until("its time is over", async () => (await smtp().catch(() => "")) === "sent", 4_000);
    await assert.rejects(
      as().dependencies.force({ name: "stmp", force: "open", reason: "a typo" }),
      /no part/,
    );
  });
});

test("a part that is switched off is asked by nobody, and no share of callers goes with that", async () => {
  const key = "dependencies.smtp";
  const smtp = () => api.ctx.dependencies.open({ name: "smtp" }).run(async () => "sent");
  await as().switches.set({ key: "*", state: "off", reason: "everything that callers reach" });
  assert.equal(await smtp(), "sent");
  await as().switches.set({ key: "*", state: "on", reason: "over" });
  await as().switches.set({ key, state: "off", reason: "it loses mails" });
  await assert.rejects(smtp(), { code: "unavailable", message: /by an operator/ });
  const { items } = await as().dependencies.list({});
  const item = items.find(({ name }) => name === "smtp");
  assert.deepEqual(
    [item?.force, item?.isSwitchedOff, item?.switchKey, item?.reason],
    ["open", true, key, "it loses mails"],
  );
  await as().switches.set({ key, state: "on", reason: "mended" });
  assert.equal(await smtp(), "sent");
  for (const partly of [
    { share: 5 },
    { targets: [{ attribute: "role", values: ["guest"] }] },
    { instead: "stale" },
  ])
    await assert.rejects(
      as().switches.set({ key, state: "off", reason: "partly", ...partly } as never),
      /everyone or for nobody/,
    );
});

describe("the session", () => {
  test("a link opens one session, once, and its cookie verifies without a database", async () => {
    const token = mintSignInToken(secret, { ttlMs: 60_000 });
    const ctx = {
      ...api.ctx,
      actor: { kind: "guest" } as Actor,
      answer: { headers: {} as Record<string, string> },
    };
    const session = await operatorRouter.createCaller(ctx).session.create({ token });
    assert.equal(session.operator.role, "admin");
    const cookie = ctx.answer.headers["set-cookie"]!;
    assert.match(cookie, /^sb_session=[^;]+; Path=\/; HttpOnly; SameSite=Strict; Max-Age=43200$/);
    const value = /^sb_session=([^;]+)/.exec(cookie)![1]!;
    assert.equal(verifyOperatorSession(secret, value)?.id, session.operator.id);
    await assert.rejects(operatorRouter.createCaller(ctx).session.create({ token }), /used before/);
    await assert.rejects(
      operatorRouter.createCaller(ctx).session.create({ token: "sbl_nonsense" }),
      /not valid/,
    );
    const expired = mintSignInToken(secret, { ttlMs: -1 });
    await assert.rejects(operatorRouter.createCaller(ctx).session.create({ token: expired }), /expired/);
  });

  test("signing out clears the cookie", async () => {
    const ctx = { ...api.ctx, answer: { headers: {} as Record<string, string> } };
    await operatorRouter.createCaller(ctx).session.close();
    assert.match(ctx.answer.headers["set-cookie"]!, /^sb_session=; .*Max-Age=0/);
  });
});

test("with Redis away a flip still takes here, and nobody is claimed to have confirmed", async () => {
  const redis = connectRedis("redis://127.0.0.1:1");
  const lonely = await start("lonely", "all", redis);
  const { confirmations } = await as(ann, lonely).switches.set({
    key: "feed.post.list",
    state: "off",
    reason: "a test",
  });
  assert.deepEqual([confirmations.expected, confirmations.confirmed], [null, 1]);
  assert.ok(lonely.live.rules().off("feed.post.list", "u", Date.now()));
  await until("the others poll it", () => api.live.rules().off("feed.post.list", "u", Date.now()), 5_000);
  assert.equal((await as(ann, lonely).services.list({})).known, false);
  await lonely.close();
  redis.disconnect();
});

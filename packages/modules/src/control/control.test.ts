// The operators' procedures on real engines: what scripts and the console rely on.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { verifyOperatorSession } from "@signalbox/control/operator-session";
import { mintSignInToken } from "@signalbox/control/sign-in";
import { until } from "@signalbox/control/testing";
import type { AppError } from "@signalbox/core/errors";
import { connectRedis } from "@signalbox/core/redis";
import { partNames } from "@signalbox/core/resilience/dependencies";
import { awaited, testCall } from "@signalbox/gateway/testing";
import { toKinds } from "../catalogue.ts";
import type { Actor } from "../ctx.ts";
import { askedWork, jobs, work } from "../index.ts";
import { groupsOf } from "../run-jobs.ts";
import { toCall } from "../trpc.ts";
import { operatorRouter, streamGolden } from "./index.ts";
import { ann, api, as, close, engines, open, secret, start, startWorkers, workers } from "./testing.ts";

before(open);
after(close);

describe("switches", () => {
  test("the catalogue holds every procedure, job and prefix, and * first", async () => {
    const kinds = toKinds({
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
    assert.ok(off.confirmations.slowestMs !== null);
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

  test("it reverts by itself at its end", async () => {
    const expiresAt = new Date(Date.now() + 600).toISOString();
    await as().switches.set({ key: "users", state: "off", reason: "a test", expiresAt });
    const offAt = (at: number) => workers.live.rules().off("users.profile.read", "u", at);
    assert.ok(offAt(Date.parse(expiresAt) - 1));
    assert.equal(offAt(Date.parse(expiresAt)), undefined);
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
    assert.ok(waited > 1_800 && waited < 15_000, `${waited} ms`);
    await workers.close();
    await startWorkers();
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

  test("links with one name are one person, who can not give the second yes", async () => {
    const open = async (name?: string): Promise<Actor> => {
      const token = mintSignInToken(secret, { ttlMs: 60_000, ...(name ? { name } : {}) });
      const ctx = { ...api.ctx, actor: { kind: "guest" } as Actor, answer: { headers: {} } };
      const { operator } = await operatorRouter.createCaller(ctx).session.create({ token });
      return { kind: "operator", ...operator };
    };
    const [first, again, other] = [await open("ann"), await open("ann"), await open("bob")];
    const key = "users.mute";
    await as(first).switches.protect({ key, reason: "a test" });
    await as(first).switches.set({ key, state: "off", reason: "a test" });
    const { id, hash } = await as(first).proposals.make({ key, change: { state: "on" }, reason: "a test" });
    const yes = { id, hash, reason: "a test" };
    await assert.rejects(as(again).proposals.approve(yes), /ask a second operator/);
    await as(other).proposals.approve(yes);
    const { items } = await as().switches.history({ key, limit: 1 });
    assert.deepEqual(
      items.map(({ kind, actor }) => [kind, actor.id, actor.name]),
      [["switch.approved", "operator-bob", "bob"]],
    );
    const nobody = await Promise.all([open(), open()]);
    assert.equal(new Set(nobody.map((actor) => "id" in actor && actor.id)).size, 2);
  });

  test("signing out clears the cookie", async () => {
    const ctx = { ...api.ctx, answer: { headers: {} as Record<string, string> } };
    await operatorRouter.createCaller(ctx).session.close();
    assert.match(ctx.answer.headers["set-cookie"]!, /^sb_session=; .*Max-Age=0/);
  });
});

test("while others found the database silent, an operator's look at it ends soon; a caller's has its usual time", () => {
  const { breaker } = api.ctx.dependencies.open({ name: "postgres" });
  const left = (actor: Actor) => toCall({ ...api.ctx, actor }, "users.list", undefined).deadline.remainingMs;
  assert.ok(left(ann) > 5_000);
  breaker.trip("no answer");
  assert.ok(left(ann) <= 4_000);
  assert.ok(left({ kind: "guest" }) > 5_000);
});

test("what every object has is nothing of an operator's, whatever is asked of it", async () => {
  const reason = "a test";
  // A section that was never written is another one than one that is there.
  await as().freezes.set({ key: "all", from: "2020-01-01T00:00:00Z", reason });
  await as().numbers.set({ key: "feed.timelineEntries", value: 100, reason });
  for (const name of ["constructor", "__proto__", "toString"]) {
    const one = { id: name, key: name, revision: name, entity: name, reason };
    const acts = {
      "canaries.read": () => as().canaries.read(one),
      "canaries.abort": () => as().canaries.abort(one),
      "proposals.approve": () => as().proposals.approve({ ...one, hash: "x" }),
      "proposals.reject": () => as().proposals.reject(one),
      "reviews.close": () => as().reviews.close({ ...one, verdict: "right" }),
      "schedules.cancel": () => as().schedules.cancel(one),
      "freezes.reset": () => as().freezes.reset(one),
      "switches.set": () => as().switches.set({ ...one, state: "off" }),
      "switches.archive": () => as().switches.archive(one),
      "limits.reset": () => as().limits.reset(one),
      "numbers.reset": () => as().numbers.reset(one),
      "weights.reset": () => as().weights.reset(one),
      "caches.reset": () => as().caches.reset(one),
    };
    for (const [act, call] of Object.entries(acts))
      await assert.rejects(call, ({ cause }: { cause: AppError }) => {
        assert.match(cause.code, /^(not_found|invalid)$/, `${act} of ${name}: ${cause.stack}`);
        return true;
      });
  }
  await as().freezes.reset({ key: "all", reason });

  // Files may bring in what no list has: it is a name like any other then.
  const { files } = await as().settings.files();
  const path = "limits/constructor.json";
  await as().settings.bringIn({ files: [...files, { path, text: '{"rate":1,"burst":1}' }], reason });
  const { items } = await as().limits.list({});
  assert.equal(items.find(({ key }) => key === "constructor")?.preset, null);
  await as().settings.bringIn({ files, reason });
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

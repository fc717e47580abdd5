// The operators' procedures around switches, as the console and scripts call them.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, test } from "node:test";
import { createLive, type Live } from "@signalbox/control/live";
import { quiet, startTestEngines, type TestEngines } from "@signalbox/control/testing";
import { ctxOf, testWorld, type World } from "../testing.ts";
import { type ControlPlane, openPlane, operatorRouter } from "./index.ts";

let engines: TestEngines;
let live: Live;
let world: World;
let plane: ControlPlane;

before(async () => {
  engines = await startTestEngines();
  const { sql } = engines.database;
  live = createLive({
    ...{ log: quiet, sql, redis: engines.connect(), secret: randomBytes(32), dataDir: engines.dataDir },
    ...{ instance: { id: "one" }, prefix: engines.prefix },
  });
  await live.start();
  world = await testWorld({ deps: { live, sql, redis: engines.redis } });
  plane = openPlane(world.deps, { prefix: engines.prefix });
});
after(async () => {
  await plane?.close();
  await live?.close();
  await world?.close();
  await engines?.close();
});

const as = (id = "ann", role: "operator" | "admin" = "admin") =>
  operatorRouter.createCaller(ctxOf(world.deps, { kind: "operator", id, name: id, role }));
const reason = "a test";
const item = async (key: string) => (await as().switches.list({})).items.find((one) => one.key === key);

test("a switch of an application is made, aimed, drawn anew, and archived", async () => {
  await as().switches.create({
    key: "shop.checkout",
    title: "New checkout",
    tags: ["beta"],
    state: "off",
    reason,
  });
  const made = await item("shop.checkout");
  assert.deepEqual(
    [made?.kind, made?.title, made?.tags, made?.state, made?.effective.state],
    ["own", "New checkout", ["beta"], "off", "off"],
  );
  assert.equal((await item("tags.beta"))?.kind, "tag");
  assert.equal((await item("tags.writes"))?.kind, "tag");
  assert.deepEqual((await item("feed.post.create"))?.tags, ["writes"]);
  const targets = [{ attribute: "region", is: "in" as const, values: ["DE"] }];
  await as().switches.set({
    ...{
      key: "shop.checkout",
      state: "off",
      share: 12.345,
      targets,
      instead: "degrade",
      message: "soon",
      reason,
    },
  });
  const aimed = await item("shop.checkout");
  assert.deepEqual(
    [aimed?.share, aimed?.targets, aimed?.instead, aimed?.act],
    [12.345, targets, "degrade", "set"],
  );
  await as().switches.redraw({ key: "shop.checkout", reason });
  assert.equal((await item("shop.checkout"))?.act, "redrawn");
  for (const input of [
    { key: "feed.mine", reason },
    { key: "tags.mine", reason },
    { key: "shop", reason },
  ])
    await assert.rejects(as().switches.create(input), JSON.stringify(input));
  await assert.rejects(as().switches.archive({ key: "feed.post.create", reason }), /in use/);
  await as().switches.archive({ key: "shop.checkout", reason });
  assert.equal(await item("shop.checkout"), undefined);
  await assert.rejects(as().switches.create({ key: "shop.checkout", reason }), /archived/);
});

test("on with targets, a share in tenths of thousandths and unknown keys are refused", async () => {
  const targets = [{ attribute: "region", values: ["DE"] }];
  for (const input of [
    { key: "feed", state: "on" as const, targets, reason },
    { key: "feed", state: "off" as const, share: 0.0001, reason },
    { key: "feed", state: "off" as const, targets: [{ attribute: "", values: ["x"] }], reason },
    { key: "tags.nothing", state: "off" as const, reason },
  ])
    await assert.rejects(as().switches.set(input), JSON.stringify(input));
});

test("a protected key is opened by two, or by broken glass that somebody reviews", async () => {
  await assert.rejects(as("bob", "operator").switches.protect({ key: "users", reason }), /role admin/);
  await as().switches.protect({ key: "users", reason });
  assert.equal((await item("users.profile.read"))?.isProtected, true);
  await as().switches.set({ key: "users", state: "off", reason });
  await assert.rejects(as().switches.set({ key: "users", state: "on", reason }), /second operator/);
  const proposed = await as().proposals.make({ key: "users", change: { state: "on" }, reason });
  const { items } = await as().proposals.list({});
  assert.deepEqual(
    items.map(({ id, key, hash, proposedBy }) => [id, key, hash, proposedBy?.id]),
    [[proposed.id, "users", proposed.hash, "ann"]],
  );
  await assert.rejects(
    as().proposals.approve({ id: proposed.id, hash: proposed.hash, reason }),
    /second operator/,
  );
  await as("bob", "operator").proposals.approve({ id: proposed.id, hash: proposed.hash, reason });
  assert.equal((await item("users"))?.act, "approved");
  assert.deepEqual((await as().proposals.list({})).items, []);

  await as().switches.set({ key: "users", state: "off", reason });
  const expiresAt = new Date(Date.now() + 3_600_000).toISOString();
  const glass = await as().switches.set({
    ...{
      key: "users",
      state: "on",
      breakGlass: true,
      expiresAt,
      reason: "nobody else is awake, and it is safe",
    },
  });
  const reviews = (await as().reviews.list({})).items;
  assert.deepEqual(
    reviews.map(({ revision, key, isDue, brokenBy }) => [revision, key, isDue, brokenBy?.id]),
    [[String(glass.version), "users", false, "ann"]],
  );
  await as("bob").reviews.close({ revision: String(glass.version), verdict: "right", reason });
  assert.deepEqual((await as().reviews.list({})).items, []);
});

test("a plan is listed with its next run, and cancelled", async () => {
  const planned = await as().schedules.make({
    ...{ key: "feed", change: { state: "off" }, at: "2099-07-01T09:00", timeZone: "Europe/Berlin", reason },
  });
  assert.equal(planned.nextAt, "2099-07-01T07:00:00.000Z");
  const [plan] = (await as().schedules.list({})).items;
  assert.deepEqual([plan?.id, plan?.timeZone, plan?.plannedBy?.id], [planned.id, "Europe/Berlin", "ann"]);
  await as().schedules.cancel({ id: planned.id, reason });
  assert.deepEqual((await as().schedules.list({})).items, []);
});

test("an act, whatever kind of act it is, says which incident it was done for, and is found by it", async () => {
  const incident = "INC-42";
  await as().switches.set({ key: "feed.post.read", state: "off", reason, incident });
  assert.equal((await item("feed.post.read"))?.incident, incident);
  await as().limits.set({ key: "feed.post.read", rate: 5, reason, incident });
  await as().applications.create({ name: "incident", scopes: ["feed"], reason, incident });
  await as().switches.set({ key: "feed.post.read", state: "on", reason });
  assert.equal((await item("feed.post.read"))?.incident, null);
  const { items } = await as().audit.list({ incident });
  assert.deepEqual(
    items.map(({ kind }) => kind),
    ["application.created", "limit.set", "switch.set"],
  );
  const { files } = await as().settings.files();
  assert.match(files.find(({ path }) => path === "limits/feed.post.read.json")?.text ?? "", /INC-42/);
  await as().limits.reset({ key: "feed.post.read", reason });
});

test("an act is taken back from the audit log; files tell what would change, and change it", async () => {
  const { version } = await as().switches.set({ key: "feed", state: "off", message: "oops", reason });
  await as().audit.revert({ revision: version, reason });
  assert.equal((await item("feed"))?.state, "on");
  const { files, revision } = await as().settings.files();
  assert.ok(files.some(({ path }) => path === "protections/users.json"));
  const more = [
    ...files,
    { path: "switches/feed.json", text: '{\n  "instead": "refuse",\n  "state": "off"\n}\n' },
  ];
  const dry = await as().settings.bringIn({ files: more, dryRun: true, expect: revision, reason });
  assert.deepEqual(dry.changes, [{ section: "switch", key: "feed", act: "set" }]);
  assert.equal((await item("feed"))?.state, "on");
  await as().settings.bringIn({ files: more, expect: revision, reason });
  assert.deepEqual([(await item("feed"))?.state, (await item("feed"))?.act], ["off", "imported"]);
  await assert.rejects(as().settings.bringIn({ files: more, expect: revision, reason }), /revision/);
  await as().switches.set({ key: "feed", state: "on", reason });
});

test("the ledger says what each process enforces; a lever that nobody pulled for long is flagged", async () => {
  const ledger = await as().ledger.list({});
  assert.equal(ledger.revision, live.revision);
  assert.ok(ledger.items.every(({ isBehind, aspect }) => !isBehind && aspect === "clear"));
  assert.deepEqual((await item("auth"))?.flags, ["undrilled"]);
  assert.deepEqual((await item("feed.post.create"))?.flags, []);
  assert.equal((await as().audit.verify()).ok, true);
  const late = ctxOf(
    { ...world.deps, now: () => new Date(Date.now() + 31 * 86_400_000) },
    {
      ...{ kind: "operator" as const, id: "ann", name: "ann", role: "admin" as const },
    },
  );
  await as().switches.set({ key: "auth", state: "off", reason });
  const stale = (await operatorRouter.createCaller(late).switches.list({})).items.find(
    ({ key }) => key === "auth",
  );
  assert.deepEqual(stale?.flags, ["stale"]);
});

test("the list tells how every switch stood at an instant", async () => {
  const key = "notifications.item.list";
  await as().switches.set({ key, state: "off", share: 25, message: "Soon.", reason: "the first" });
  const then = (await item(key))?.changedAt ?? "";
  while (new Date().toISOString() <= then) await new Promise(setImmediate);
  await as().switches.set({ key, state: "on", reason: "the second" });
  const { items } = await as().switches.list({ at: then });
  const past = items.find((one) => one.key === key);
  assert.deepEqual([past?.state, past?.share, past?.reason], ["off", 25, "the first"]);
  assert.deepEqual(past?.effective, { state: "off", share: 25, by: key });
  const before = await as().switches.list({ at: "2020-01-01T00:00:00Z" });
  assert.ok(before.items.length > 0 && before.items.every(({ effective }) => effective.state === "on"));
  assert.equal((await item(key))?.state, "on");
});

test("what could meet nobody is refused with what there is: a misspelt attribute, less of what has no less", async () => {
  const off = { state: "off" as const, reason };
  const aimed = (attribute: string) => [{ attribute, values: ["DE"] }];
  for (const key of ["feed.post.read", "feed", "*", "tags.writes"])
    await assert.rejects(as().switches.set({ ...off, key, targets: aimed("regoin") }), {
      message: /no call has regoin; calls have user, role, .*region, appVersion/,
    });
  for (const key of ["feed.timeline.push", "feed.item.counts", "tags.jobs"])
    await assert.rejects(as().switches.set({ ...off, key, targets: aimed("region") }), /give it a share/);
  for (const key of ["feed.post.create", "auth", "tags.writes", "feed.timeline.push"])
    await assert.rejects(as().switches.set({ ...off, key, instead: "degrade" }), {
      message: /no answer of .* has parts .*feed\.home\.read/,
    });
  for (const key of ["feed.home.read", "feed", "tags.reads", "tags.optional", "feed.item.counts"]) {
    await as().switches.set({ ...off, key, instead: "degrade" });
    await as().switches.set({ key, state: "on", reason });
  }
  const narrowedBy = async (key: string) => (await item(key))?.narrowedBy;
  assert.deepEqual(await narrowedBy("feed.home.read"), ["share", "targets", "stale", "degrade"]);
  assert.deepEqual(await narrowedBy("feed.post.create"), ["share", "targets", "stale"]);
  assert.deepEqual(await narrowedBy("feed.item.counts"), ["share", "stale", "degrade"]);
  assert.deepEqual(await narrowedBy("dependencies.postgres"), []);
  const at = { at: "2099-07-01T09:00", timeZone: "Europe/Berlin" };
  const change = { state: "off" as const, targets: aimed("regoin") };
  await assert.rejects(as().schedules.make({ key: "feed", change, ...at, reason }), /regoin/);
  await assert.rejects(as().proposals.make({ key: "feed", change, reason }), /regoin/);
  const { files } = await as().settings.files();
  const text = JSON.stringify(change);
  const more = [
    ...files.filter(({ path }) => path !== "switches/feed.json"),
    { path: "switches/feed.json", text },
  ];
  await assert.rejects(as().settings.bringIn({ files: more, reason }), /regoin/);
});

test("a cursor of one list is not taken by another", async () => {
  const { nextCursor } = await as().switches.list({ limit: 1 });
  const cursor = nextCursor ?? "";
  assert.equal((await as().switches.list({ limit: 1, cursor })).items.length, 1);
  await assert.rejects(as().limits.list({ cursor }), /cursor: is one of another list/);
  await assert.rejects(as().audit.list({ cursor }), /cursor: is one of another list/);
});

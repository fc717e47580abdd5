// What people do with switches beside turning them: second persons, broken glass, plans, taking back, files; on real engines.

import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { AppError } from "@signalbox/core/errors";
import { approve, closeReview, propose, protect, reject } from "./approvals.ts";
import { setFreeze } from "./canary/acts.ts";
import { setLimit } from "./changes.ts";
import { createExpirySweep } from "./expiry.ts";
import { bringIn, toFiles } from "./files.ts";
import { createLive, type Live } from "./live.ts";
import { createControlLog } from "./log.ts";
import { revertAct } from "./revert.ts";
import { planSwitch, runDue } from "./schedules.ts";
import { archiveSwitch, createSwitch, redrawSwitch, setSwitch } from "./switch-acts.ts";
import { quiet, startTestEngines, type TestEngines, until } from "./testing.ts";

const person = (id: string) => ({ kind: "operator", id, name: id });
const why = (reason = "a test", id = "ann") => ({ actor: person(id), reason, requestId: "request-1" });
const inMs = (ms: number) => new Date(Date.now() + ms);

/** An install of its own: a database, a log and one process. */
async function openInstall(): Promise<{ engines: TestEngines; deps: Install; close(): Promise<void> }> {
  const engines = await startTestEngines();
  const controlLog = createControlLog(engines.database.sql);
  const live = createLive({
    log: quiet,
    sql: engines.database.sql,
    redis: engines.connect(),
    secret: "a secret of this test, long enough",
    dataDir: join(engines.dataDir, "one"),
    instance: { id: "one" },
    prefix: engines.prefix,
  });
  await live.start();
  const close = async () => {
    await live.close();
    await engines.close();
  };
  return { engines, deps: { controlLog, live, log: quiet }, close };
}
type Install = { controlLog: ReturnType<typeof createControlLog>; live: Live; log: typeof quiet };

let install: Awaited<ReturnType<typeof openInstall>>;
let deps: Install;
before(async () => {
  install = await openInstall();
  ({ deps } = install);
});
after(() => install?.close());

const off = (key: string, nowMs = Date.now()) => deps.live.rules().decides(key, nowMs)?.layer;

describe("four eyes", () => {
  test("turning off never waits; letting more callers through does, and a second person does it", async () => {
    await protect(deps, "eyes", why());
    await setSwitch(deps, "eyes.a", { state: "off", message: "closed" }, why());
    assert.equal(off("eyes.a")?.message, "closed");
    for (const to of [
      { state: "on" as const },
      { state: "off" as const, share: 99.999 },
      { state: "off" as const, targets: [{ attribute: "region", is: "in" as const, values: ["DE"] }] },
      { state: "off" as const, instead: "degrade" as const },
    ])
      await assert.rejects(setSwitch(deps, "eyes.a", to, why()), { code: "forbidden" }, JSON.stringify(to));
    // What stands above a protected key would open it too.
    await setSwitch(deps, "*", { state: "off" }, why());
    await assert.rejects(setSwitch(deps, "*", { state: "on" }, why()), { code: "forbidden" });
    await assert.rejects(setSwitch(deps, "eyes.b", { state: "on" }, why()), { code: "forbidden" });

    const made = await propose(
      deps,
      "p1",
      { key: "eyes.a", change: { state: "on" }, expires: null },
      why("it works"),
    );
    const { hash } = made.event.after as { hash: string };
    await assert.rejects(approve(deps, "p1", hash, why("me too")), { code: "forbidden" });
    await assert.rejects(approve(deps, "p1", "0".repeat(64), why("yes", "bob")), { code: "conflict" });
    assert.equal(off("eyes.a")?.message, "closed");
    const done = await approve(deps, "p1", hash, why("looked at it", "bob"));
    assert.equal(done.event.kind, "switch.approved");
    assert.equal(done.event.reason, "looked at it (proposed by ann: it works)");
    assert.equal(off("eyes.a"), undefined);
    await assert.rejects(approve(deps, "p1", hash, why("again", "bob")), { code: "not_found" });
    await assert.rejects(setSwitch(deps, "*", { state: "on" }, why("alone", "bob")), { code: "forbidden" });
    const all = await propose(deps, "p2", { key: "*", change: { state: "on" }, expires: null }, why());
    await approve(deps, "p2", (all.event.after as { hash: string }).hash, why("yes", "bob"));
    assert.equal(off("eyes.c"), undefined);
  });

  test("what was changed since is proposed anew; a refused proposal is gone", async () => {
    await setSwitch(deps, "eyes.d", { state: "off" }, why());
    const made = await propose(deps, "p3", { key: "eyes.d", change: { state: "on" }, expires: null }, why());
    const { hash } = made.event.after as { hash: string };
    await setSwitch(deps, "eyes.d", { state: "off", message: "worse" }, why("worse", "bob"));
    await assert.rejects(approve(deps, "p3", hash, why("yes", "bob")), { code: "conflict" });
    await reject(deps, "p3", why("not now", "bob"));
    assert.deepEqual(Object.keys(deps.live.current().proposals), []);
  });

  test("breaking the glass needs a long reason and a near end, ends by itself, and is reviewed by another", async () => {
    await setSwitch(deps, "eyes.e", { state: "off" }, why());
    const glass = (reason: string, ms: number) =>
      setSwitch(
        deps,
        "eyes.e",
        { state: "on" },
        { ...why(reason), expiresAt: inMs(ms) },
        { breakGlass: true },
      );
    await assert.rejects(glass("too short", 60_000), { code: "invalid" });
    await assert.rejects(glass("a reason that is long enough", 5 * 3_600_000), { code: "invalid" });
    const { revision } = await glass("the only one awake, customers can not pay", 60_000);
    assert.equal(off("eyes.e"), undefined);
    assert.ok(off("eyes.e", Date.now() + 60_001), "it is off again after its end");
    const review = deps.live.current().reviews[revision]!;
    const due = Date.parse(review.dueAt) - Date.parse(review.changedAt!);
    assert.deepEqual([review.key, due], ["eyes.e", 24 * 3_600_000]);
    await assert.rejects(closeReview(deps, String(revision), "right", why()), { code: "forbidden" });
    await closeReview(deps, String(revision), "right", why("it was", "bob"));
    assert.equal(deps.live.current().reviews[revision], undefined);
  });

  test("the protection itself is lifted by two", async () => {
    const made = await propose(
      deps,
      "p4",
      { key: "eyes", change: null, expires: null },
      why("no longer needed"),
    );
    const { hash } = made.event.after as { hash: string };
    await assert.rejects(approve(deps, "p4", hash, why()), { code: "forbidden" });
    await approve(deps, "p4", hash, why("agreed", "bob"));
    await setSwitch(deps, "eyes.e", { state: "on" }, why());
    assert.equal(off("eyes.e"), undefined);
  });
});

describe("plans", () => {
  const local = (ms: number) => new Date(ms).toISOString().slice(0, 16);
  const plan = (key: string, atMs: number, more: object = {}) => ({
    ...{ key, at: local(atMs), timeZone: "UTC", repeat: "once" as const },
    ...{ forMinutes: null, missed: "skip" as const, change: { state: "off" as const, message: "planned" } },
    ...more,
  });

  test("a planned change is made once, by one of many, and for as long as was said", async () => {
    const atMs = Math.ceil(Date.now() / 60_000) * 60_000 + 60_000;
    await planSwitch(
      deps,
      "s1",
      plan("plans.a", atMs, { forMinutes: 30, repeat: "daily" }),
      why("maintenance"),
    );
    await runDue(deps, atMs - 1);
    assert.equal(off("plans.a"), undefined);
    // As many as there may be, at the same moment.
    await Promise.all([1, 2, 3].map(() => runDue(deps, atMs + 500)));
    const acts = (await deps.controlLog.read({ key: "plans.a" })).map(({ kind }) => kind);
    assert.deepEqual(acts, ["switch.scheduled"]);
    const layer = off("plans.a")!;
    assert.equal(layer.message, "planned");
    assert.equal(layer.reason, "planned by ann: maintenance");
    assert.equal(Date.parse(layer.expiresAt!), atMs + 30 * 60_000);
    assert.equal(Date.parse(deps.live.current().schedules.s1!.nextAt), atMs + 86_400_000);
  });

  test("who changed the key after it was planned is not overruled; a missed run is left out or made up for", async () => {
    const atMs = Math.ceil(Date.now() / 60_000) * 60_000 + 60_000;
    await planSwitch(deps, "s2", plan("plans.b", atMs), why());
    await setSwitch(deps, "plans.b", { state: "on" }, why("I know better", "bob"));
    await runDue(deps, atMs + 500);
    assert.equal(off("plans.b"), undefined);
    const [told] = await deps.controlLog.read({ key: "s2", limit: 1 });
    assert.equal(told?.kind, "schedule.refused");

    await planSwitch(deps, "s3", plan("plans.c", atMs), why());
    await planSwitch(deps, "s4", plan("plans.d", atMs, { missed: "late" }), why());
    await runDue(deps, atMs + 61_000);
    assert.equal(off("plans.c"), undefined);
    assert.equal(off("plans.d")?.message, "planned");
    assert.equal((await deps.controlLog.read({ key: "s3", limit: 1 }))[0]?.kind, "schedule.missed");
  });

  test("the sweep does it by itself, soon", async () => {
    // A minute is the finest that a plan can say, so the sweep's clock stands just before one.
    const atMs = Math.ceil(Date.now() / 60_000) * 60_000 + 60_000;
    await planSwitch(deps, "s5", plan("plans.e", atMs), why());
    const ahead = atMs - Date.now() - 300;
    const sweep = createExpirySweep({ ...deps, now: () => Date.now() + ahead });
    sweep.start();
    await until("the switch is off", () => off("plans.e"), 10_000);
    await sweep.close();
  });

  test("what makes no sense is refused", async () => {
    const atMs = Date.now() + 3_600_000;
    for (const more of [{ at: "2026-02-30T10:00" }, { at: "2020-01-01T00:00" }, { timeZone: "Mars/Olympus" }])
      await assert.rejects(planSwitch(deps, "s6", plan("plans.f", atMs, more), why()), { code: "invalid" });
    await protect(deps, "plans.g", why());
    await setSwitch(deps, "plans.g", { state: "off" }, why());
    const on = plan("plans.g", atMs, { change: { state: "on" } });
    await assert.rejects(planSwitch(deps, "s7", on, why()), { code: "forbidden" });
  });
});

describe("taking an act back", () => {
  test("a key is what it was before, with its age, its share and its callers", async () => {
    await setSwitch(deps, "back.a", { state: "off", share: 12.345, message: "first" }, why());
    const second = await setSwitch(deps, "back.a", { state: "on" }, why());
    const done = await revertAct(deps, second.revision, why("wrong key"));
    const layer = off("back.a")!;
    assert.deepEqual(
      [layer.share, layer.message, layer.reason, layer.act],
      [12.345, "first", "wrong key", "reverted"],
    );
    assert.equal(layer.order, done.revision - 2);
    assert.equal(done.event.kind, "switch.reverted");

    const window = { from: null, until: inMs(60_000).toISOString(), weekly: null };
    const freeze = await setFreeze(deps, "release-day", window, why());
    await revertAct(deps, freeze.revision, why());
    assert.equal(deps.live.current().freezes["release-day"], undefined);

    const limit = await setLimit(deps, "user", { rate: 7 }, why());
    assert.equal(deps.live.rules().limitAt("user", 0)?.value.rate, 7);
    await revertAct(deps, limit.revision, why());
    assert.equal(deps.live.rules().limitAt("user", 0)?.value.rate, 200);
    assert.equal((await deps.controlLog.verify()).ok, true);
  });

  test("what was changed since is a conflict, which names who did it; forced, it goes back all the same", async () => {
    const first = await setSwitch(deps, "back.b", { state: "off" }, why());
    await setSwitch(deps, "back.b", { state: "off", message: "newer" }, why("x", "bob"));
    await assert.rejects(revertAct(deps, first.revision, why()), /bob did switch\.set/);
    await revertAct(deps, first.revision, why(), { force: true });
    assert.equal(off("back.b"), undefined);
    await assert.rejects(revertAct(deps, 1_000_000, why()), { code: "not_found" });
  });

  test("a switch that is as if never touched keeps its draw, and overrules no broader one", async () => {
    await setSwitch(deps, "back.c", { state: "off", share: 50 }, why());
    await redrawSwitch(deps, "back.c", why());
    const { salt } = deps.live.current().switches["back.c"]!;
    assert.ok(salt);
    const [draw] = await deps.controlLog.read({ key: "back.c", limit: 1 });
    await setSwitch(deps, "back.c", { state: "on" }, why());
    assert.equal(deps.live.current().switches["back.c"]!.salt, salt);
    await setSwitch(deps, "back", { state: "off", message: "all" }, why());
    const firstOf = (await deps.controlLog.read({ key: "back.c" })).at(-1)!;
    await revertAct(deps, firstOf.revision, why(), { force: true });
    assert.equal(deps.live.current().switches["back.c"]!.salt, salt);
    assert.equal(off("back.c")?.message, "all");
    assert.ok(draw);
    await setSwitch(deps, "back", { state: "on" }, why());
  });
});

describe("an install's own switches", () => {
  test("are made under a word that no module has, and archived for ever", async () => {
    const own = { title: "New checkout", tags: ["beta-ui"], taken: (key: string) => key.startsWith("feed") };
    await createSwitch(deps, "shop.checkout", own, why());
    await assert.rejects(createSwitch(deps, "feed.x", own, why()), { code: "conflict" });
    await setSwitch(deps, "tags.beta-ui", { state: "off" }, why());
    assert.ok(deps.live.rules().off("shop.checkout", "u", Date.now()));
    await setSwitch(deps, "tags.beta-ui", { state: "on" }, why());

    await assert.rejects(archiveSwitch(deps, "shop.checkout", { inUse: () => true }, why()), {
      code: "conflict",
    });
    const turned = await setSwitch(deps, "shop.checkout", { state: "off" }, why());
    await setSwitch(deps, "shop.checkout", { state: "on" }, why());
    await archiveSwitch(deps, "shop.checkout", { inUse: () => false }, why());
    const files = toFiles((await deps.controlLog.fold()).document, Date.now());
    const edited = (path: string) =>
      files.map((file) =>
        file.path === path ? { path, text: '{\n  "title": "Something else"\n}\n' } : file,
      );
    for (const act of [
      () => setSwitch(deps, "shop.checkout", { state: "off" }, why()),
      () => createSwitch(deps, "shop.checkout", own, why()),
      () => archiveSwitch(deps, "shop.checkout", { inUse: () => false }, why()),
      () => revertAct(deps, turned.revision, why(), { force: true }),
      () => bringIn(deps, { files: edited("own/shop.checkout.json"), dryRun: false }, why()),
      () => bringIn(deps, { files: edited("switches/shop.checkout.json"), dryRun: false }, why()),
      () =>
        planSwitch(
          deps,
          "p",
          {
            ...{ key: "shop.checkout", change: { state: "off" }, at: "2090-01-01T00:00", timeZone: "UTC" },
            ...{ repeat: "once", forMinutes: null, missed: "skip" },
          },
          why(),
        ),
    ])
      await assert.rejects(act, /archived/);
  });
});

describe("files", () => {
  const files = async ({ controlLog }: Install) => toFiles((await controlLog.fold()).document, Date.now());

  test("come back as the same bytes, from another install too, and mean the same", async () => {
    await setSwitch(deps, "*", { state: "off", share: 0.001, message: "a few" }, why());
    await setSwitch(
      deps,
      "files.a",
      { state: "off", targets: [{ attribute: "appVersion", is: "below", values: ["2.0"] }] },
      { ...why(), expiresAt: inMs(3_600_000) },
    );
    await setSwitch(deps, "files", { state: "off", message: "later than files.a" }, why());
    await setFreeze(
      deps,
      "files-weekend",
      {
        ...{ from: null, until: null },
        weekly: { days: [6, 7], from: "00:00", until: "23:59", timeZone: "Europe/Berlin" },
      },
      why("nobody looks"),
    );
    const before = await files(deps);
    assert.ok(before.some(({ path }) => path === "freezes/files-weekend.json"));
    const same = await bringIn(deps, { files: before, dryRun: false }, why());
    assert.deepEqual(same.changes, []);
    assert.deepEqual(await files(deps), before);

    const other = await openInstall();
    try {
      await setSwitch(other.deps, "files.z", { state: "off" }, why());
      const dry = await bringIn(other.deps, { files: before, dryRun: true }, why());
      assert.ok(dry.changes.some(({ key, act }) => key === "files.z" && act === "removed"));
      assert.equal(other.deps.live.rules().decides("files.a", Date.now())?.key, undefined);
      await bringIn(other.deps, { files: before, dryRun: false }, why("from git"));
      assert.deepEqual(await files(other.deps), before);
      for (const name of ["files.a", "files.b", "plans.a", "back.c", "eyes.a", "nothing.at-all"]) {
        const seen = [deps, other.deps].map(({ live }) => {
          const { key, layer } = live.rules().decides(name, Date.now()) ?? {};
          return [key, layer?.message, layer?.share, layer?.expiresAt, layer?.reason];
        });
        assert.deepEqual(seen[0], seen[1], name);
      }
      // One file is changed by hand, as in a pull request.
      const edited = before.map(({ path, text }) =>
        path === "switches/files.json"
          ? { path, text: text.replace("later than", "much later than") }
          : { path, text },
      );
      const { changes } = await bringIn(other.deps, { files: edited, dryRun: false }, why());
      assert.deepEqual(changes, [{ section: "switch", key: "files", act: "set" }]);
      assert.deepEqual(await files(other.deps), edited);
      assert.equal((await other.deps.controlLog.verify()).ok, true);
    } finally {
      await other.close();
    }
  });

  test("that are wrong, old, or open what is protected change nothing", async () => {
    const { revision } = deps.live;
    const good = await files(deps);
    const wrong = (path: string, text: string) => [
      ...good.filter((file) => file.path !== path),
      { path, text },
    ];
    for (const [path, text] of [
      ["switches/files.json", "{"],
      ["switches/files.json", '{"state":"maybe"}'],
      ["switches/../../etc.json", "{}"],
      ["elsewhere/x.json", "{}"],
      ["order.json", '{"a":1}'],
      // Such keys can be written into the log, and then no process reads what comes after.
      ["limits/9x.json", '{"rate":1,"burst":1}'],
      ["zones/9x.json", '{"weight":50}'],
      ["switches/__proto__.json", '{"state":"off"}'],
    ] as const)
      await assert.rejects(
        bringIn(deps, { files: wrong(path, text), dryRun: false }, why()),
        ({ code, message }: AppError) => code === "invalid" && message.startsWith(path),
      );
    await assert.rejects(bringIn(deps, { files: good, dryRun: false, expect: 1 }, why()), {
      code: "conflict",
    });
    for (const path of ["switches/plans.g.json", "protections/plans.g.json", "archived/shop.checkout.json"]) {
      const without = good.filter((file) => file.path !== path);
      assert.equal(without.length, good.length - 1, path);
      await assert.rejects(bringIn(deps, { files: without, dryRun: false }, why()), { code: "forbidden" });
    }
    assert.equal(deps.live.revision, revision);
  });
});

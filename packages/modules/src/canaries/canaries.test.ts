// What operators do with canaries, through the door that they have.

import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { isCanary } from "@signalbox/control/evaluate";
import type { BusEvent } from "@signalbox/core/bus/bus";
import { newId } from "@signalbox/core/ids";
import { z } from "zod";
import { operatorRouter } from "../control/index.ts";
import { planeOf } from "../control/plane.ts";
import { type Actor, defineEvent, on } from "../ctx.ts";
import { expireOld } from "../personal/retention.ts";
import { jobHandler } from "../run-jobs.ts";
import { ctxOf, testWorld, type World } from "../testing.ts";

const ann: Actor = { kind: "operator", id: "ann", name: "Ann", role: "operator" };
const steps = [1, 5, 25, 50, 75, 100].map((weight) => ({ weight, bakeSeconds: 60 }));
const target = { kind: "switch" as const, key: "feed.post.create" };
const reason = "the new composer";

let world: World;
let paging: string[] = [];
const as = (actor: Actor = ann) => operatorRouter.createCaller(ctxOf(world.deps, actor));

before(async () => {
  world = await testWorld({ deps: { alerts: { paging: async () => paging } } });
});
after(async () => {
  await planeOf(world.deps).close();
  await world.close();
});
beforeEach(async () => {
  paging = [];
  const { items } = await as().canaries.list({});
  for (const { id, inForce } of items) {
    if (inForce) await as().canaries.abort({ id, reason });
  }
});

const fieldsOf = (error: unknown) =>
  ((error as { cause?: { errors?: { field: string; message: string }[] } }).cause?.errors ?? []).map(
    ({ field }) => field,
  );

test("what it would touch and need is said before it starts, and stays with it", async () => {
  await world.user("ann");
  for (let n = 0; n < 300; n++) world.deps.signals.record("feed.post.create", "feed", "stable", 10, "ok");
  const told = await as().canaries.preview({ target, steps });
  assert.deepEqual(told.routes, ["feed.post.create"]);
  assert.equal(told.broken.length, 0, JSON.stringify(told.broken));
  assert.ok(told.requestsPerSecond! > 0);
  assert.deepEqual(
    told.steps.map(({ requestsNeeded }) => requestsNeeded),
    [200, 200, 200, 200, 200, 0],
  );
  const minutes = told.steps.map(({ minutesNeeded }) => minutesNeeded!);
  assert.ok(minutes[0]! > minutes[1]! && minutes[1]! > minutes[2]!, `${minutes}`);
  const started = await as().canaries.create({ target, steps, reason });
  assert.deepEqual([started.state, started.weight, started.step], ["ramping", 1, 0]);
  assert.equal(started.version, started.revision);
  const story = await as().canaries.read({ id: started.id });
  assert.deepEqual(story.estimate?.routes, told.routes);
  assert.deepEqual(
    story.events.map(({ kind, actor }) => [kind, actor.name]),
    [["canary.started", "Ann"]],
  );
  assert.ok(story.ladder[0]!.beganAt !== null && story.ladder[1]!.beganAt === null);
});

test("the server holds to the rules that keep the damage small", async () => {
  const create = (given: object) => as().canaries.create({ target, steps, reason, ...given });
  await assert.rejects(
    create({
      steps: [
        { weight: 1, bakeSeconds: 0 },
        { weight: 50, bakeSeconds: 0 },
      ],
    }),
    (error) => {
      assert.match(String(error), /at most 5 times the last one and 25 points/);
      assert.deepEqual(fieldsOf(error), ["steps.1.weight"]);
      return true;
    },
  );
  await assert.rejects(
    create({ target: { kind: "switch", key: "feed.nothing" } }),
    /nothing is called feed.nothing/,
  );
  await assert.rejects(create({ template: "usual" }), /either steps or the name of a template/);
  await create({});
  await assert.rejects(
    create({ target: { kind: "switch", key: "feed" } }),
    /a route takes part in one at a time/,
  );
  await as().canaries.create({
    target: { kind: "switch", key: "users.profile.read" },
    template: "usual",
    reason,
  });
  paging = ["checkout errors"];
  const other = { kind: "switch", key: "auth.session.create" };
  await assert.rejects(create({ target: other }), /the alert checkout errors pages/);
  paging = [];
  const weekly = { days: [1, 2, 3, 4, 5, 6, 7], from: "00:00", until: "23:59", timeZone: "UTC" };
  await assert.rejects(
    as().freezes.set({ key: "all", weekly: { ...weekly, timeZone: "Mars/Base" }, reason }),
    /no time zone/,
  );
  await as().freezes.set({ key: "all", from: "2020-01-01T00:00:00Z", reason: "an audit" });
  assert.equal((await as().freezes.list({})).items[0]?.holds, true);
  await assert.rejects(create({ target: other }), /the freeze window all holds: an audit/);
  await as().freezes.reset({ key: "all", reason });
  const third = await create({ target: other });
  assert.equal(third.state, "ramping");
  await assert.rejects(
    create({ target: { kind: "switch", key: "personal" } }),
    /3 canaries are on their way; at most 3/,
  );
  const viewer: Actor = { kind: "operator", id: "vic", name: "Vic", role: "viewer" };
  await assert.rejects(as(viewer).canaries.abort({ id: third.id, reason }), /role operator/);
  await assert.rejects(as().canaries.abort({ id: newId(), reason }), /there is no canary/);
});

test("every act is answered in every state, and the story tells them all", async () => {
  const { id } = await as().canaries.create({ target, steps, reason });
  const act = async (name: "pause" | "resume" | "promote" | "abort" | "restore" | "close") => {
    const { state, weight } = await as().canaries[name]({ id, reason });
    return [state, weight];
  };
  assert.deepEqual(await act("pause"), ["paused", 1]);
  assert.deepEqual(await act("pause"), ["paused", 1]);
  assert.deepEqual(await act("resume"), ["ramping", 1]);
  const { bakesUntil, since } = await as().canaries.extend({ id, seconds: 600, reason });
  assert.equal(Date.parse(bakesUntil!) - Date.parse(since!), 660_000);
  assert.deepEqual(await act("promote"), ["promoted", 100]);
  await assert.rejects(act("pause"), /can not be paused/);
  assert.deepEqual(await act("restore"), ["aborted", 0]);
  assert.deepEqual(await act("abort"), ["aborted", 0]);
  await assert.rejects(act("promote"), /start another one/);
  assert.deepEqual(await act("close"), ["aborted", 0]);
  assert.deepEqual(await act("abort"), ["aborted", 0], "also where it is out of force");
  const story = await as().canaries.read({ id });
  assert.deepEqual(
    story.events.map(({ kind }) => kind.split(".")[1]),
    ["closed", "aborted", "promoted", "extended", "resumed", "paused", "started"],
  );
  assert.equal(story.inForce, false);
  assert.ok((await planeOf(world.deps).controlLog.verify()).ok);
});

test("counts of a canary that is over go by age, as the setting says; those of one in force, and what was decided, stay", async () => {
  const { sql } = world.deps;
  const over = newId();
  const { id } = await as().canaries.create({ target, steps, reason });
  const daysAgo = async (days: number) => {
    for (const canary of [over, id]) {
      await sql`insert into canary_standings (canary_id, judged_at) values (${canary}, now() - ${days} * interval '1 day')
        on conflict (canary_id) do update set judged_at = excluded.judged_at`;
      await sql`insert into canary_slots (canary_id, start, counts)
        select ${canary}, n, '{}'::jsonb from generate_series(1, 700) n on conflict do nothing`;
    }
  };
  const left = async () =>
    (
      await sql<{ canary_id: string; count: number }[]>`
      select canary_id, count(*)::int as count from canary_slots group by 1`
    ).map(({ canary_id, count }) => [canary_id, count]);
  await sql`insert into canary_decisions (id, canary_id, at, act, step, verdict, why, evidence)
    values (${newId()}, ${over}, now() - interval '99 days', 'abort', 0, 'regressed', 'why', '{}')`;
  await daysAgo(29);
  assert.equal((await expireOld(world.deps))["canaries.counts"], undefined);
  await daysAgo(31);
  assert.equal((await expireOld(world.deps))["canaries.counts"], 700);
  assert.deepEqual(await left(), [[id, 700]]);
  await as().numbers.set({ key: "canaries.slotDays", value: 60, reason });
  await as().canaries.abort({ id, reason });
  await as().canaries.close({ id, reason });
  assert.equal((await expireOld(world.deps))["canaries.counts"], undefined);
  await daysAgo(61);
  assert.equal((await expireOld(world.deps))["canaries.counts"], 1_400);
  const [decision] = await sql`select 1 from canary_decisions where canary_id = ${over}`;
  assert.ok(decision);
});

const probed = defineEvent("probe.done", 1, z.object({ userId: z.string() }));

test("a job goes by the same bucket as its user's calls, and counts for its side", async () => {
  const ladder = [{ weight: 25, bakeSeconds: 60 }];
  const { id } = await as().canaries.create({
    target: { kind: "switch", key: "feed" },
    steps: ladder,
    reason,
  });
  const setting = world.deps.live.current().canaries[id]!;
  const wrong: string[] = [];
  let canary = 0;
  const job = on(probed, "feed.probe.run", async (ctx, { userId }) => {
    if (ctx.variant !== (isCanary(setting, userId) ? "canary" : "stable")) wrong.push(userId);
    if (ctx.variant === "canary") canary += 1;
  });
  const handle = jobHandler(world.deps, [job]);
  for (let n = 0; n < 200; n++) {
    const userId = newId();
    await handle(
      {
        ...{ id: newId(), key: userId, topic: probed.name, version: 1, payload: { userId } },
        ...{ requestId: "r", traceparent: "", at: new Date().toISOString() },
      } as BusEvent,
      { group: "feed", partition: 0, attempt: 1 },
    );
  }
  assert.deepEqual(wrong, []);
  assert.ok(canary > 15 && canary < 100, `${canary} of 200`);
  await world.deps.signals.flush();
  const slots = await world.deps.signals.readArms(Date.now() - 60_000, Date.now());
  const counted = slots!.flatMap(({ canaries }) => canaries.get(id) ?? []);
  assert.equal(
    counted.reduce((sum, sides) => sum + sides.canary.requests, 0),
    canary,
  );
});

test("the course of both sides adds up, and never has more points than a picture has room for", async () => {
  const { id } = await as().canaries.create({ target, steps, reason });
  const side = (n: number, errors: number) => ({ n, errors, slow95: 0, slow99: 0 });
  const keep = (at: number, stable: object, canary: object) => world.deps.sql`
    insert into canary_slots (canary_id, start, counts)
    values (${id}, ${1_000_000 + at * 5_000}, ${JSON.stringify({ stable, canary })}::text::jsonb)`;
  await keep(0, side(90, 0), side(10, 1));
  await keep(1, side(90, 1), side(10, 0));
  const { items } = await as().canaries.course({ id });
  assert.deepEqual(
    items.map(({ at, stable, canary }) => [Date.parse(at), stable.x, stable.n, canary.x, canary.n]),
    [
      [1_005_000, 0, 90, 1, 10],
      [1_010_000, 1, 180, 1, 20],
    ],
  );
  assert.ok(items[1]!.canary.low < 0.05 && items[1]!.canary.high > 0.05);
  for (let at = 2; at < 300; at++) await keep(at, side(1, 0), side(1, 0));
  const long = (await as().canaries.course({ id })).items;
  assert.ok(long.length > 60 && long.length <= 120, String(long.length));
  assert.deepEqual([long.at(-1)!.stable.n, long.at(-1)!.canary.n], [478, 318]);
  assert.deepEqual((await as().canaries.course({ id, signal: "slow95" })).items.at(-1)!.canary.x, 0);
});

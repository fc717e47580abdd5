import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { describe, test } from "node:test";
import { type CanarySetting, canarySetting, type FreezeSetting, freezeSetting } from "../settings.ts";
import { type Act, decide } from "./decide.ts";
import { type Evidence, judge, shorten, type Verdict } from "./judge.ts";
import { beginCanary, type CanaryAct, changeCanary } from "./machine.ts";
import { checkLadder, checkSurroundings, frozenBy, overlap, templates } from "./rules.ts";
import { seeded, simulate } from "./simulate.ts";
import { emptyTally, type KeptSlot, slotMs } from "./tally.ts";

const usual = { errors: 0.001, medianMs: 40, spread: 0.6 };
const target = { kind: "switch" as const, key: "feed.post" };

function settingOf(given: Partial<CanarySetting> = {}): CanarySetting {
  const steps = [...templates.quick];
  const triggers = canarySetting.shape.triggers.parse({});
  return canarySetting.parse({
    ...beginCanary({ id: "c", target, steps, triggers, purpose: "" }, 0),
    ...given,
  });
}

const slotOf = (start: number, given: Partial<KeptSlot> = {}): KeptSlot => ({
  start,
  stable: { n: 400, errors: 0, slow95: 20, slow99: 4 },
  canary: { n: 100, errors: 0, slow95: 5, slow99: 1 },
  p95: 100,
  p99: 200,
  sketch: [],
  counters: {},
  saturation: {},
  ...given,
});

function evidenceOf(slots: KeptSlot[], given: Partial<Evidence> = {}): Evidence {
  const { triggers } = settingOf();
  return {
    at: (slots.at(-1)?.start ?? 0) + slotMs + 2_000,
    canary: { startedAt: 0, since: 0, weight: 5, triggers },
    carried: emptyTally(0),
    slots,
    running: null,
    blind: null,
    ...given,
  };
}

const many = (count: number, given?: Partial<KeptSlot>) =>
  Array.from({ length: count }, (_, at) => slotOf(at * slotMs, given));

describe("a verdict", () => {
  test("is healthy only with enough requests on every signal", () => {
    assert.equal(judge(evidenceOf(many(12))).verdict, "healthy");
    const short = judge(evidenceOf(many(1)));
    assert.equal(short.verdict, "not_enough");
    assert.match(short.why, /of the 200 that this step needs/);
    const few = judge(evidenceOf(many(12, { p95: null })));
    assert.equal(few.verdict, "not_enough", "latency that nobody could compare holds as well");
  });

  test("is regressed where errors, slow requests, a counter or saturation are worse", () => {
    const worse = { canary: { n: 100, errors: 5, slow95: 5, slow99: 1 } };
    assert.equal(judge(evidenceOf(many(3, worse))).verdict, "regressed");
    const slower = { canary: { n: 100, errors: 0, slow95: 30, slow99: 12 } };
    assert.match(judge(evidenceOf(many(8, slower))).why, /slower than the stable side's p95/);
    const triggers = settingOf({
      triggers: canarySetting.shape.triggers.parse({
        guards: [
          { kind: "counter", name: "feed.empty" },
          { kind: "saturation", signal: "cpu", ratio: 2, floor: 0.2 },
        ],
      }),
    }).triggers;
    const canary = { startedAt: 0, since: 0, weight: 5, triggers };
    const counted = { counters: { "feed.empty": { stable: 4, canary: 20 } } };
    assert.match(judge(evidenceOf(many(4, counted), { canary })).why, /have counter feed.empty/);
    const hot = { saturation: { cpu: { stable: 0.2, canary: 0.9 } } };
    assert.match(judge(evidenceOf(many(12, hot), { canary })).why, /cpu is 0.9 on the canary's instances/);
    const busy = { saturation: { cpu: { stable: 0.8, canary: 0.9 } } };
    assert.equal(judge(evidenceOf(many(12, busy), { canary })).verdict, "healthy");
  });

  test("is no different where both sides fail together", () => {
    const outage = {
      stable: { n: 400, errors: 200, slow95: 20, slow99: 4 },
      canary: { n: 100, errors: 50, slow95: 5, slow99: 1 },
    };
    assert.equal(judge(evidenceOf(many(12, outage))).verdict, "healthy");
  });

  test("of a catastrophe waits for no slot to be over", () => {
    const running = { stable: { n: 400, errors: 0 }, canary: { n: 20, errors: 20 } };
    const verdict = judge(evidenceOf([], { running }));
    assert.deepEqual([verdict.verdict, verdict.catastrophe], ["regressed", true]);
    const few = { stable: { n: 400, errors: 0 }, canary: { n: 19, errors: 19 } };
    assert.equal(judge(evidenceOf([], { running: few })).verdict, "not_enough");
    const both = { stable: { n: 400, errors: 390 }, canary: { n: 40, errors: 40 } };
    assert.equal(
      judge(evidenceOf([], { running: both })).verdict,
      "not_enough",
      "an outage is not the canary's",
    );
  });

  test("is not enough where nothing is heard, or the evidence can not be read", () => {
    const slots = many(12);
    const later = slots.at(-1)!.start + slotMs + 60_000;
    const stale = judge(evidenceOf(slots, { at: later }));
    assert.equal(stale.verdict, "not_enough");
    assert.equal(stale.missingSince, slots.at(-1)!.start + slotMs);
    assert.equal(judge(evidenceOf(slots, { blind: "Redis is away" })).why, "Redis is away");
    for (const n of [Number.NaN, Number.POSITIVE_INFINITY, -1, 0.5]) {
      const broken = [...slots, slotOf(60_000, { canary: { n, errors: 0, slow95: 0, slow99: 0 } })];
      const verdict = judge(evidenceOf(broken));
      assert.equal(verdict.verdict, "not_enough");
      assert.match(verdict.why, /could not read the evidence/);
    }
  });

  test("of evidence that was kept as JSON is the same again, and so is that of its shorter form", () => {
    const worse = many(40, { canary: { n: 100, errors: 1, slow95: 9, slow99: 2 } });
    const whole = evidenceOf(worse);
    const kept = JSON.parse(JSON.stringify(whole)) as Evidence;
    assert.deepEqual(judge(kept), judge(whole));
    const short = { ...whole, ...shorten(whole) };
    assert.ok(short.slots.length < whole.slots.length);
    assert.deepEqual(judge(short), judge(whole));
  });
});

test("recorded on real processes: what was decided then is decided again", async () => {
  const file = new URL("../../vectors/canary-decisions.json", import.meta.url);
  const { decisions } = JSON.parse(await readFile(file, "utf8")) as {
    decisions: { name: string; act: Act; verdict: string; why: string; evidence: Evidence }[];
  };
  assert.deepEqual(
    decisions.map(({ name, act }) => `${name}: ${act}`),
    ["good: advance", "good: advance", "good: promote", "slow: abort", "failing: abort"],
  );
  for (const { name, verdict, why, evidence } of decisions) {
    const again = judge(evidence);
    assert.deepEqual([name, again.verdict, again.why], [name, verdict, why]);
    // The same without sight says nothing.
    const blind = judge({
      ...evidence,
      slots: evidence.slots.slice(0, -1),
      running: null,
      blind: "Redis is away",
    });
    if (verdict === "healthy") assert.equal(blind.verdict, "not_enough");
  }
});

test("10,000 random sequences: no step forward without a healthy verdict, and none on what can not be", () => {
  const random = seeded(42);
  const forward = new Set<Act>(["advance", "complete", "promote"]);
  const pick = <T>(values: readonly T[]): T => values[Math.floor(random() * values.length)]!;
  const counts = () => pick([0, 1, 7, 60, 300, Number.NaN, Number.POSITIVE_INFINITY, -3, 1e9]);
  const isNumber = (value: unknown) => typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
  const seen: Record<string, number> = {};
  for (let round = 0; round < 10_000; round++) {
    const isSane = random() < 0.8;
    const slots: KeptSlot[] = [];
    let start = 0;
    for (let left = Math.floor(random() * 8); left > 0; left--) {
      start += pick([1, 1, 1, 1, 5]) * slotMs;
      const side = () =>
        isSane
          ? { n: 200, errors: random() < 0.2 ? 1 : 0, slow95: 10, slow99: 2 }
          : { n: counts(), errors: counts(), slow95: counts(), slow99: counts() };
      slots.push(slotOf(start, { stable: side(), canary: side(), p95: pick([100, 100, null]), p99: 200 }));
    }
    const setting: CanarySetting = {
      ...settingOf(),
      state: pick(["ramping", "ramping", "paused", "frozen", "complete", "promoted", "aborted"]),
      step: pick([0, 1, 3, 4, 9]),
      since: pick([new Date(0).toISOString(), new Date(0).toISOString(), null, "no instant"]),
    };
    const running = pick([null, { stable: { n: 9, errors: 0 }, canary: { n: counts(), errors: counts() } }]);
    const nowMs = start + pick([7_000, 120_000, 400_000, 86_400_000]);
    const held = pick([[], [], ["a freeze window holds"]]);
    const evidence = evidenceOf(slots, {
      at: nowMs,
      running,
      blind: pick([null, null, null, "Redis is away"]),
    });
    const verdict = judge(evidence);
    const { act } = decide(setting, verdict, { nowMs, held });
    seen[act] = (seen[act] ?? 0) + 1;
    if (!forward.has(act)) continue;
    assert.equal(verdict.verdict, "healthy");
    assert.equal(setting.state, "ramping");
    assert.deepEqual(held, []);
    assert.equal(evidence.blind, null);
    assert.ok(nowMs - (slots.at(-1)!.start + slotMs) <= 20_000, "what was heard long ago is not now");
    for (const { stable, canary } of slots)
      assert.ok(
        [...Object.values(stable), ...Object.values(canary)].every(isNumber),
        "a number that is none",
      );
    for (const { canary, stable } of verdict.signals.map(({ step }) => step))
      assert.ok(canary >= 200 && stable >= 200);
  }
  // Otherwise the sentences above would have been about nothing.
  const steps = (seen.advance ?? 0) + (seen.complete ?? 0) + (seen.promote ?? 0);
  assert.ok(steps > 20 && (seen.abort ?? 0) > 50 && (seen.hold ?? 0) > 50, JSON.stringify(seen));
});

test("a healthy canary climbs the whole ladder, a bad one does not", () => {
  const steps = [...templates.quick].map((step) => ({ ...step, bakeSeconds: 30 }));
  const scene = { rps: 200, steps, stable: usual, canary: usual, limitSeconds: 900 };
  let promoted = 0;
  for (let seed = 0; seed < 20; seed++) promoted += simulate({ ...scene, seed }).act === "promote" ? 1 : 0;
  assert.ok(promoted >= 19, `${promoted} of 20`);
  for (let seed = 0; seed < 10; seed++) {
    const bad = simulate({ ...scene, seed, canary: { ...usual, errors: 0.05 } });
    assert.equal(bad.act, "abort");
    assert.ok(bad.seconds <= 90, `seen after ${bad.seconds} s`);
    const slow = simulate({ ...scene, seed, canary: { ...usual, medianMs: 60 }, turnsAtSeconds: 40 });
    assert.equal(slow.act, "abort");
    assert.match(slow.verdict.why, /slower than/);
  }
});

describe("what follows", () => {
  const healthy = judge(evidenceOf(many(60)));
  const at = (setting: CanarySetting, verdict: Verdict, nowMs = 3_600_000) =>
    decide(setting, { ...verdict, missingSince: verdict.missingSince }, { nowMs, held: [] });

  test("a step ends when it has baked, and the last one in a promotion", () => {
    assert.equal(at(settingOf(), healthy, 30_000).act, "hold");
    assert.equal(at(settingOf({ extraSeconds: 3_600 }), healthy).act, "hold");
    assert.equal(at(settingOf(), healthy).act, "advance");
    assert.equal(at(settingOf({ step: 3 }), healthy).act, "promote");
    assert.equal(at(settingOf({ steps: [{ weight: 5, bakeSeconds: 60 }] }), healthy).act, "complete");
    assert.equal(at(settingOf({ steps: [{ weight: 80, bakeSeconds: 60 }] }), healthy).act, "promote");
    assert.equal(decide(settingOf(), healthy, { nowMs: 3_600_000, held: ["an alert pages"] }).act, "hold");
    assert.equal(at(settingOf({ state: "paused" }), healthy).act, "hold");
  });

  test("a regression turns back from every state that exposes callers, or freezes where that was asked for", () => {
    const bad: Verdict = { ...healthy, verdict: "regressed" };
    for (const state of ["ramping", "paused", "complete"] as const)
      assert.equal(at(settingOf({ state }), bad).act, "abort");
    for (const state of ["frozen", "promoted", "aborted"] as const)
      assert.equal(at(settingOf({ state }), bad).act, "hold");
    const triggers = { ...settingOf().triggers, onRegression: "freeze" as const };
    assert.equal(at(settingOf({ triggers }), bad).act, "freeze");
  });

  test("without sight it holds, and turns back or pauses in the end", () => {
    const unseen: Verdict = { ...healthy, verdict: "not_enough", missingSince: 0 };
    assert.equal(at(settingOf(), unseen, 299_000).act, "hold");
    assert.equal(at(settingOf(), unseen, 300_000).act, "abort");
    const triggers = { ...settingOf().triggers, onMissing: "pause" as const };
    assert.equal(at(settingOf({ triggers }), unseen, 300_000).act, "pause");
    assert.equal(at(settingOf({ triggers, state: "paused" }), unseen, 900_000).act, "hold");
  });
});

describe("rules", () => {
  const broken = (...weights: number[]) =>
    checkLadder(weights.map((weight) => ({ weight, bakeSeconds: 0 }))).map(({ field }) => field);

  test("a step is at most five times the last one and 25 points, and goes up", () => {
    assert.deepEqual(broken(1, 5, 25, 50, 75, 100), []);
    assert.deepEqual(broken(1, 6), ["steps.1.weight"]);
    assert.deepEqual(broken(20, 46), ["steps.1.weight"]);
    assert.deepEqual(broken(26), ["steps.0.weight"]);
    assert.deepEqual(broken(5, 5, 4), ["steps.1.weight", "steps.2.weight"]);
    for (const steps of Object.values(templates)) assert.deepEqual(checkLadder(steps), []);
  });

  test("a route takes part in one canary at a time, and three are the most", () => {
    const key = (name: string) => ({ kind: "switch" as const, key: name });
    const release = { kind: "release" as const, service: "feed", version: "2" };
    const worker = { kind: "worker" as const, service: "feed", version: "2" };
    assert.ok(overlap(key("feed"), key("feed.post.create")));
    assert.ok(overlap(key("feed.post"), release));
    assert.ok(overlap(key("*"), worker));
    assert.ok(!overlap(key("feed.post"), key("feed.postbox")));
    assert.ok(!overlap(release, worker), "calls and jobs are different routes");
    assert.ok(!overlap(release, { ...release, service: "users" }));
    const canaries = (count: number) =>
      Object.fromEntries(
        Array.from({ length: count }, (_, at) => [
          `${at}`,
          settingOf({ id: `${at}`, target: key(`m${at}`) }),
        ]),
      );
    const rules = (count: number, given = key("other")) =>
      checkSurroundings(given, { canaries: canaries(count), freezes: {} }, 0).length;
    assert.equal(rules(2), 0);
    assert.equal(rules(3), 1);
    assert.equal(rules(2, key("m1.noun")), 1);
  });

  test("a freeze window holds between two instants, or each week by a clock on the wall", () => {
    const holds = (freeze: object, at: string) => {
      const window: FreezeSetting = freezeSetting.parse({ reason: "holidays", ...freeze });
      return frozenBy({ window }, Date.parse(at)).length === 1;
    };
    const once = { from: "2026-12-20T00:00:00Z", until: "2027-01-02T00:00:00Z" };
    assert.ok(!holds(once, "2026-12-19T23:59:59Z"));
    assert.ok(holds(once, "2026-12-31T12:00:00Z"));
    assert.ok(!holds(once, "2027-01-02T00:00:00Z"));
    // From Friday 17:00 to Saturday 09:00 in Berlin, which is an hour ahead in November.
    const weekly = { weekly: { days: [5], from: "17:00", until: "09:00", timeZone: "Europe/Berlin" } };
    assert.ok(!holds(weekly, "2026-11-20T15:59:00Z"));
    assert.ok(holds(weekly, "2026-11-20T16:00:00Z"));
    assert.ok(holds(weekly, "2026-11-21T07:59:00Z"));
    assert.ok(!holds(weekly, "2026-11-21T08:00:00Z"));
  });
});

describe("acts", () => {
  const act = (setting: CanarySetting, given: CanaryAct, nowMs = 1_000) =>
    changeCanary(setting, given, nowMs);

  test("each is done once, and has an answer in every state", () => {
    const states = ["ramping", "paused", "frozen", "complete", "promoted", "aborted"] as const;
    const wanted = { promote: "promoted", pause: "paused", resume: "ramping", abort: "aborted" } as const;
    for (const state of states)
      for (const [name, result] of Object.entries(wanted)) {
        const setting = settingOf({ state, endedAt: new Date(0).toISOString() });
        const given = { act: name as keyof typeof wanted };
        if (state === result) assert.equal(act(setting, given), undefined);
        else
          try {
            assert.equal(act(setting, given)?.state, result);
          } catch (error) {
            assert.ok(state === "promoted" || state === "aborted", `${name} from ${state}: ${error}`);
          }
      }
    for (const state of states.filter((each) => each !== "aborted"))
      assert.equal(
        act(settingOf({ state, endedAt: new Date(0).toISOString() }), { act: "abort" })?.weight,
        0,
      );
  });

  test("what was promoted can be taken back for a day", () => {
    const promoted = settingOf({ state: "promoted", weight: 100, endedAt: new Date(0).toISOString() });
    assert.equal(act(promoted, { act: "abort" }, 86_400_000)?.state, "aborted");
    assert.throws(() => act(promoted, { act: "abort" }, 86_400_001), /24 hours/);
  });

  test("the same callers are met in the next canary of the same thing", () => {
    const { salt } = settingOf();
    assert.equal(act(settingOf(), { act: "pause" })?.salt, salt);
    assert.equal(act(settingOf(), { act: "abort" })?.salt, salt);
    assert.equal(settingOf({ id: "another" }).salt, salt);
  });
});

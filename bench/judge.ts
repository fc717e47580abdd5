// How seldom the judge of canaries turns a healthy one back, and how soon a bad one: by simulation, seeded, over the same code that
// judges in production; and from the first failure to 0 % everywhere, on real processes.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { openStage } from "@signalbox/api/testing/canary-stage";
import { judgeAgain, judgeSignals, readSignals } from "@signalbox/control/canary/recorded";
import { templates } from "@signalbox/control/canary/rules";
import { intervalOf, tailOf } from "@signalbox/control/canary/sequential";
import { type Scene, simulate } from "@signalbox/control/canary/simulate";
import { createTestDatabase } from "@signalbox/db/testing";
import { startTestEngines } from "../apps/cli/src/engines/for-tests.ts";
import published from "../packages/control/vectors/published.json" with { type: "json" };
import { percentile } from "./harness/connection.ts";
import { figure, progress, report } from "./harness/report.ts";

const healthyRamps = 1_000;
const runs = 200;
const aborts = 100;

const usual = { errors: 0.001, medianMs: 40, spread: 0.6 };
const atFive = { weight: 5, bakeSeconds: 86_400 };
// Five requests a second for the canary, 95 for the stable side.
const busy = { rps: 100, steps: [atFive], stable: usual };

const seconds = { unit: "s", better: "lower" as const };

function detect(name: string, scene: Omit<Scene, "seed" | "limitSeconds">, bar: number, times = runs) {
  const began = scene.turnsAtSeconds ?? 0;
  const found = Array.from({ length: times }, (_, seed) => {
    const { act, seconds: at } = simulate({ ...scene, seed, limitSeconds: began + 1_200 });
    return act === "abort" && at >= began ? at - began : Number.POSITIVE_INFINITY;
  });
  progress(`${name}: half within ${percentile(found, 0.5)} s`);
  return figure(`${name}, p95`, percentile(found, 0.95), { ...seconds, bar });
}

function healthy() {
  let [turnedBack, promoted] = [0, 0];
  for (let seed = 0; seed < healthyRamps; seed++) {
    const steps = [...(seed % 10 === 0 ? templates.usual : templates.quick)];
    const { act } = simulate({ ...busy, seed: 10_000 + seed, steps, canary: usual, limitSeconds: 7_200 });
    if (act === "abort") turnedBack += 1;
    if (act === "promote") promoted += 1;
  }
  progress(`${promoted} of ${healthyRamps} healthy canaries were promoted`);
  return [
    figure(`healthy ramps turned back, of ${healthyRamps}`, (turnedBack / healthyRamps) * 100, {
      unit: "%",
      bar: 1,
      better: "lower",
    }),
    figure(`healthy ramps promoted, of ${healthyRamps}`, (promoted / healthyRamps) * 100, {
      unit: "%",
      bar: 99,
      better: "higher",
    }),
  ];
}

async function onProcesses() {
  progress("starting two releases behind a gateway, and two workers that judge");
  const engines = await startTestEngines();
  const database = await createTestDatabase(engines.databaseUrl);
  const stage = await openStage({ databaseUrl: database.url, redisUrl: engines.redisUrl });
  try {
    stage.startJudge("judge-1");
    stage.startJudge("judge-2");
    const took: number[] = [];
    for (let n = 0; n < aborts; n++) {
      const { id } = await stage.start([{ weight: 20, bakeSeconds: 600 }]);
      const began = performance.now();
      const { confirmations } = await stage.ask("POST", `/canaries/${id}/abort`, {});
      took.push(confirmations.missing.length === 0 ? performance.now() - began : Number.POSITIVE_INFINITY);
    }
    await stage.waitUntilAllAreAsked();
    const { id } = await stage.start([{ weight: 20, bakeSeconds: 600 }]);
    await stage.until(id, "it is judged", ({ standing }) => standing !== null, 60_000);
    const spoilt = Date.now();
    stage.spoil({ errors: 1 });
    const story = await stage.until(
      id,
      "it goes to nobody",
      ({ decisions }) => decisions.some(({ confirmations }) => confirmations?.missing.length === 0),
      60_000,
    );
    const fall = story.events.find(({ kind }) => kind === "canary.aborted");
    const enforcedMs = story.decisions[0]?.confirmations?.slowestMs ?? Number.POSITIVE_INFINITY;
    const fell = (fall ? Date.parse(fall.at) - spoilt : Number.POSITIVE_INFINITY) + enforcedMs;
    return [
      figure("a release that fails, to 0 % confirmed by every process", fell / 1_000, {
        ...seconds,
        bar: 30,
      }),
      figure(`an operator's abort, confirmed by every process, p99 of ${aborts}`, percentile(took, 0.99), {
        unit: "ms",
        bar: 1_000,
        better: "lower",
      }),
    ];
  } finally {
    await stage.close();
    await database.drop();
    await engines.stop();
  }
}

/** What was recorded elsewhere than in this simulation: on real processes, and in the literature. */
function recorded() {
  const vector = (name: string) =>
    readFileSync(join(import.meta.dirname, "../packages/control/vectors", name), "utf8");
  const decisions = judgeAgain(JSON.parse(vector("canary-decisions.json")));
  const steps = [...templates.quick];
  const [good, failing] = ["good", "failing"].map((name) =>
    judgeSignals(readSignals(vector(`signals-${name}.csv`)), { steps }).acts.at(-1),
  );
  const wrong = [
    ...published.exact.filter(
      ({ canary, stable, chance, within }) => Math.abs(tailOf(canary, stable) / chance - 1) > within,
    ),
    ...published.intervals.filter(({ n, x, low, high }) => {
      const interval = intervalOf({ n, x });
      return Math.abs(interval.low - low) > 5e-5 || Math.abs(interval.high - high) > 5e-5;
    }),
  ];
  const none = { unit: "of them", bar: 0, better: "lower" as const };
  const count = published.exact.length + published.intervals.length;
  return [
    figure(
      `recorded decisions that are judged otherwise, of ${decisions.length}`,
      decisions.filter(({ isSame }) => !isSame).length,
      none,
    ),
    figure("a recorded good canary turned back", good?.act === "abort" ? 1 : 0, none),
    // In the recording its requests begin to fail at second 40.
    figure(
      "a recorded canary whose requests begin to fail (3 %), turned back after",
      failing?.act === "abort" ? failing.seconds - 40 : Number.POSITIVE_INFINITY,
      { ...seconds, bar: 60 },
    ),
    figure(`published vectors that do not hold, of ${count}`, wrong.length, none),
  ];
}

const live = await onProcesses();
progress("simulating");
report("judge", [
  ...healthy(),
  detect("50 % errors at 5 requests/s beside 0.1 %", { ...busy, canary: { ...usual, errors: 0.5 } }, 20),
  detect("5 % errors", { ...busy, canary: { ...usual, errors: 0.05 } }, 60),
  detect("2 % errors", { ...busy, canary: { ...usual, errors: 0.02 } }, 180),
  detect("1 % errors", { ...busy, canary: { ...usual, errors: 0.01 } }, 360),
  detect(
    "half as slow again at 20 requests/s",
    { ...busy, rps: 400, canary: { ...usual, medianMs: 60 }, turnsAtSeconds: 60 },
    120,
    100,
  ),
  ...recorded(),
  ...live,
]);

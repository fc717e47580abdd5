// How seldom the judge of canaries turns a healthy one back, and how soon a bad one: by simulation, seeded, over the same code that
// judges in production; and from the first failure to 0 % everywhere, on real processes.

import { openStage } from "@signalbox/api/testing/canary-stage";
import { templates } from "@signalbox/control/canary/rules";
import { type Scene, simulate } from "@signalbox/control/canary/simulate";
import { createTestDatabase } from "@signalbox/db/testing";
import { startTestEngines } from "../apps/cli/src/engines/for-tests.ts";
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
  ...live,
]);

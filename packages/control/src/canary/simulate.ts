// A canary and its callers, seeded: what the judge of the platform says of them slot by slot, in milliseconds instead of minutes.

import { addToSketch, newSketch } from "@signalbox/core/signals/sketch";
import type { CanaryStep } from "../settings.ts";
import type { Act } from "./decide.ts";
import type { Verdict } from "./judge.ts";
import { type KeptSlot, keepSlot, memorySlots, slotMs } from "./tally.ts";
import { openTrial } from "./trial.ts";

export type Traits = {
  errors: number;
  /** Of a log-normal latency. */
  medianMs: number;
  spread: number;
};

export type Scene = {
  seed: number;
  /** Requests a second of both sides together. */
  rps: number;
  steps: CanaryStep[];
  stable: Traits;
  canary: Traits;
  /** The canary is as the stable side until so many seconds have passed. */
  turnsAtSeconds?: number;
  limitSeconds: number;
  triggers?: Record<string, unknown>;
};

export type Outcome = { act: Act | "none"; verdict: Verdict; seconds: number; step: number };

export function simulate(scene: Scene): Outcome {
  const random = seeded(scene.seed);
  const trial = openTrial(scene);
  let before: KeptSlot[] = [];
  let last: Outcome | undefined;
  for (let start = 0; start < scene.limitSeconds * 1_000; start += slotMs) {
    const isTurned = start >= (scene.turnsAtSeconds ?? 0) * 1_000;
    const draw = (share: number, traits: Traits) => {
      const requests = poisson(random, scene.rps * (slotMs / 1_000) * share);
      const sketch = newSketch();
      const latencies = latenciesOf(traits);
      let errors = 0;
      for (let n = 0; n < requests; n++) {
        if (random() < traits.errors) errors += 1;
        addToSketch(sketch, latencies[Math.floor(random() * latencies.length)]!);
      }
      return { requests, errors, refused: 0, sketch };
    };
    const { weight, triggers } = trial.setting;
    const sides = {
      stable: draw(1 - weight / 100, scene.stable),
      canary: draw(weight / 100, isTurned ? scene.canary : scene.stable),
    };
    const kept = keepSlot(start, sides, before, triggers, { counters: {}, saturation: {} });
    before = [...before, kept].slice(-memorySlots);
    const { act, verdict, seconds, step } = trial.look(start, kept);
    if (act !== "hold" && act !== "advance") return { act, verdict, seconds, step };
    last = { act: "none", verdict, seconds: scene.limitSeconds, step: trial.setting.step };
  }
  return last!;
}

/** mulberry32: small, and the same everywhere. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function normal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

/** Factors of a log-normal of spread 1: drawing from a table is as good, and ten times as quick. */
const spreads = (() => {
  const random = seeded(1);
  return Float64Array.from({ length: 65_536 }, () => Math.exp(normal(random)));
})();

const tables = new Map<string, Float64Array>();

function latenciesOf({ medianMs, spread }: Traits): Float64Array {
  const key = `${medianMs} ${spread}`;
  let table = tables.get(key);
  if (table === undefined) {
    table = spreads.map((factor) => medianMs * factor ** spread);
    tables.set(key, table);
  }
  return table;
}

function poisson(random: () => number, mean: number): number {
  if (mean > 60) return Math.max(0, Math.round(mean + Math.sqrt(mean) * normal(random)));
  const limit = Math.exp(-mean);
  let count = -1;
  for (let product = 1; product > limit; count++) product *= random();
  return count;
}

// A canary and its callers, seeded: what the judge of the platform says of them slot by slot, in milliseconds instead of minutes.

import { addToSketch, newSketch } from "@signalbox/core/signals/sketch";
import type { CanaryStep } from "../settings.ts";
import { canarySetting } from "../settings.ts";
import { type Act, decide } from "./decide.ts";
import { type Evidence, judge, shorten, type Verdict } from "./judge.ts";
import { beginCanary, changeCanary } from "./machine.ts";
import { emptyTally, type KeptSlot, keepSlot, memorySlots, slotMs } from "./tally.ts";

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

/** How the next slot is known: when it is over and written. */
const settleMs = 2_000;

export function simulate(scene: Scene): Outcome {
  const random = seeded(scene.seed);
  const spec = {
    id: "simulated",
    target: { kind: "switch" as const, key: "feed" },
    steps: scene.steps,
    triggers: canarySetting.shape.triggers.parse(scene.triggers ?? {}),
    purpose: "",
  };
  let setting = canarySetting.parse({ ...beginCanary(spec, 0) });
  let carried = emptyTally(0);
  let slots: KeptSlot[] = [];
  let before: KeptSlot[] = [];
  let verdict: Verdict | undefined;
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
    const share = setting.weight / 100;
    const sides = {
      stable: draw(1 - share, scene.stable),
      canary: draw(share, isTurned ? scene.canary : scene.stable),
    };
    const kept = keepSlot(start, sides, before, setting.triggers, { counters: {}, saturation: {} });
    slots = [...slots, kept];
    before = [...before, kept].slice(-memorySlots);
    const nowMs = start + slotMs + settleMs;
    const times = (): Evidence["canary"] => ({
      startedAt: Date.parse(setting.startedAt!),
      since: Date.parse(setting.since!),
      weight: setting.weight,
      triggers: setting.triggers,
    });
    verdict = judge({ at: nowMs, canary: times(), carried, slots, running: null, blind: null });
    const { act } = decide(setting, verdict, { nowMs, held: [] });
    if (act !== "hold" && act !== "advance")
      return { act, verdict, seconds: nowMs / 1_000, step: setting.step };
    if (act === "advance") setting = canarySetting.parse(changeCanary(setting, { act }, nowMs));
    ({ carried, slots } = shorten({ canary: times(), carried, slots }));
  }
  return { act: "none", verdict: verdict!, seconds: scene.limitSeconds, step: setting.step };
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

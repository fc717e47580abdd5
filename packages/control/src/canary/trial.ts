// A canary apart from any platform: slots go in, and what the judge would do comes out. For simulations and recordings.

import { type CanaryStep, canarySetting } from "../settings.ts";
import { decide } from "./decide.ts";
import { type Evidence, judge, shorten } from "./judge.ts";
import { beginCanary, changeCanary } from "./machine.ts";
import { emptyTally, type KeptSlot, slotMs } from "./tally.ts";

/** How soon after its end a slot is written by everyone. */
const settleMs = 2_000;

export function openTrial({ steps, triggers = {} }: { steps: CanaryStep[]; triggers?: object }) {
  const spec = {
    id: "trial",
    target: { kind: "switch" as const, key: "feed" },
    steps,
    triggers: canarySetting.shape.triggers.parse(triggers),
    purpose: "",
  };
  let setting = canarySetting.parse({ ...beginCanary(spec, 0) });
  let carried = emptyTally(0);
  let slots: KeptSlot[] = [];
  const times = (): Evidence["canary"] => ({
    startedAt: Date.parse(setting.startedAt!),
    since: Date.parse(setting.since!),
    weight: setting.weight,
    triggers: setting.triggers,
  });
  return {
    get setting() {
      return setting;
    },

    /** When the slot that began at `start` is over; without one nobody wrote it. */
    look(start: number, kept: KeptSlot | undefined) {
      if (kept) slots = [...slots, kept];
      const nowMs = start + slotMs + settleMs;
      const verdict = judge({ at: nowMs, canary: times(), carried, slots, running: null, blind: null });
      const { act, why } = decide(setting, verdict, { nowMs, held: [] });
      const { step } = setting;
      if (act !== "hold") setting = canarySetting.parse(changeCanary(setting, { act }, nowMs));
      if (act === "hold" || act === "advance")
        ({ carried, slots } = shorten({ canary: times(), carried, slots }));
      return { seconds: nowMs / 1_000, act, why, step, verdict };
    },
  };
}

// A ladder of one's own while it is being typed.

import type { StartCanary } from "@signalbox/modules/canaries/schema";

type Step = NonNullable<StartCanary["steps"]>[number];
export type StepDraft = { id: number; weight: string; minutes: string };

let lastId = 0;
export const draftSteps = (steps: readonly Step[]): StepDraft[] =>
  steps.map(({ weight, bakeSeconds }) => ({
    ...{ id: ++lastId, weight: String(weight), minutes: String(bakeSeconds / 60) },
  }));

/** The next one goes as far as the rules let it. */
export function nextStep(steps: readonly StepDraft[]): StepDraft {
  const last = Number(steps.at(-1)?.weight ?? 0);
  const weight = last > 0 ? Math.min(last * 5, last + 25, 100) : 1;
  return { id: ++lastId, weight: String(weight), minutes: weight === 100 ? "0" : "10" };
}

export function stepFault({ weight, minutes }: StepDraft): string | undefined {
  const share = Number(weight);
  if (weight.trim() === "" || !(share >= 0.001 && share <= 100)) return "From 0.001 to 100 percent.";
  const bakes = Number(minutes);
  return minutes.trim() !== "" && bakes >= 0 && bakes <= 20_160 ? undefined : "Up to two weeks in minutes.";
}

export const stepsOf = (drafts: readonly StepDraft[]): Step[] =>
  drafts.map(({ weight, minutes }) => ({
    ...{ weight: Number(weight), bakeSeconds: Math.round(Number(minutes) * 60) },
  }));

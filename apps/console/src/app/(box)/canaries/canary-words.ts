// A canary's state and the judge's verdict as a lamp and a word.

import type { CanaryItem } from "@signalbox/modules/canaries/schema";
import type { Aspect } from "@signalbox/ui/signal-lamp";

type State = CanaryItem["state"];
type Verdict = NonNullable<CanaryItem["standing"]>["verdict"];

export const stateWords: Record<State, { aspect: Aspect; word: string }> = {
  ramping: { aspect: "clear", word: "Climbing" },
  paused: { aspect: "caution", word: "Paused" },
  frozen: { aspect: "danger", word: "Frozen" },
  complete: { aspect: "clear", word: "Ladder done" },
  promoted: { aspect: "clear", word: "Promoted" },
  aborted: { aspect: "dark", word: "Aborted" },
};

export const verdictWords: Record<Verdict, { aspect: Aspect; word: string }> = {
  healthy: { aspect: "clear", word: "Healthy" },
  not_enough: { aspect: "caution", word: "Not enough yet" },
  regressed: { aspect: "danger", word: "Regressed" },
};

/** Somebody, or the judge, still has to decide something. */
export const isRunning = ({ state }: Pick<CanaryItem, "state">) =>
  state !== "promoted" && state !== "aborted";

export const targetKinds = { switch: "Code path", release: "Release", worker: "Worker" } as const;

const signalNames: Record<string, string> = {
  errors: "Errors",
  slow95: "Slower than p95",
  slow99: "Slower than p99",
  eventLoopDelayMs: "Event-loop delay",
  memoryBytes: "Memory",
  cpu: "Processor",
};
export const signalName = (name: string) => signalNames[name.replace(/^saturation[.:]/, "")] ?? name;

export const weightWords = (weight: number) => `${weight}%`;

// The four golden signals as one figure each, from the figures per track.

import type { Golden } from "@signalbox/modules/control/schema";
import type { Aspect } from "@signalbox/ui/signal-lamp";

export type Headline = {
  rps: number;
  requests: number;
  errors: number;
  refused: number;
  errorRate: number;
  p50: number | null;
  p95: number | null;
  p99: number | null;
  /** Quantiles of two tracks can not be added: the canary's stand beside the stable track's. */
  canaryP95: number | null | undefined;
  saturation: Saturation | undefined;
};

export type Saturation = { share: number; what: string; instance: string };

export function headline(golden: Golden): Headline {
  const sum = (pick: (item: Golden["items"][number]) => number) =>
    golden.items.reduce((all, item) => all + pick(item), 0);
  const stable = golden.items.find((item) => item.key === "stable") ?? golden.items[0];
  const canary = golden.items.find((item) => item !== stable);
  const requests = sum((item) => item.requests);
  const errors = sum((item) => item.errors);
  return {
    rps: sum((item) => item.rps),
    requests,
    errors,
    refused: sum((item) => item.refused),
    errorRate: requests > 0 ? errors / requests : 0,
    p50: stable?.p50 ?? null,
    p95: stable?.p95 ?? null,
    p99: stable?.p99 ?? null,
    canaryP95: canary?.p95,
    saturation: tightest(golden.saturation),
  };
}

/** The resource of one instance that is nearest to its end. A process runs its own code on one core. */
export function tightest({ instances }: Pick<Golden["saturation"], "instances">): Saturation | undefined {
  const candidates = instances.flatMap(({ name, cpu, pool }) => [
    { share: Math.min(cpu, 1), what: "CPU", instance: name },
    ...(pool && pool.size > 0
      ? [{ share: Math.min(pool.inUse / pool.size, 1), what: "database pool", instance: name }]
      : []),
  ]);
  return candidates.reduce<Saturation | undefined>(
    (worst, it) => (worst && worst.share >= it.share ? worst : it),
    undefined,
  );
}

/** The bars of the shipped objectives and alerts. */
const bars = {
  errorRate: [0.001, 0.01],
  latencyMs: [200, 500],
  saturation: [0.7, 0.9],
} as const;

export function judge(bar: keyof typeof bars, value: number | null | undefined): Aspect {
  if (value === null || value === undefined) return "dark";
  const [caution, danger] = bars[bar];
  return value > danger ? "danger" : value > caution ? "caution" : "clear";
}

export const wordOf: Record<Aspect, string> = {
  clear: "Clear",
  caution: "Caution",
  danger: "Danger",
  dark: "No data",
};

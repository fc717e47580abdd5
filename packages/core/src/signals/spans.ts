// How time is cut: slots of five seconds, minutes for the hour, and the windows that are asked for.

export type GoldenWindow = "30s" | "5m" | "1h";

export const slotMs = 5_000;
export const minuteMs = 60_000;
export const windows = { "30s": 30_000, "5m": 300_000, "1h": 3_600_000 } as const;
export const slotLifeSeconds = 15 * 60;
export const minuteLifeSeconds = 2 * 60 * 60 + 300;

export const signalKeys = (prefix = "signalbox") => ({
  slot: (start: number) => `${prefix}:sig:{5s}:${start}`,
  minute: (start: number) => `${prefix}:sig:{1m}:${start}`,
  arms: (start: number) => `${prefix}:sig:{arms}:${start}`,
  saturation: `${prefix}:sig:{now}:saturation`,
});

export const startOf = (at: number, ms: number): number => at - (at % ms);

export function startsOf(from: number, to: number, ms: number): number[] {
  const starts: number[] = [];
  for (let start = from; start <= to; start += ms) starts.push(start);
  return starts;
}

/**
 * The spans that make up a window, the running slot included. An hour is made of minutes that are surely over and complete, and
 * of slots from there on.
 */
export function spanOf(window: GoldenWindow, at: number) {
  const from = startOf(at - windows[window], window === "1h" ? minuteMs : slotMs);
  const boundary = window === "1h" ? startOf(at, minuteMs) - minuteMs : from;
  return {
    minutes: startsOf(from, boundary - 1, minuteMs),
    slots: startsOf(boundary, at, slotMs),
    seconds: (at - from) / 1_000,
  };
}

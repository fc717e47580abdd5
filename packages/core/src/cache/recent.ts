// What one entity did in the last five minutes, minute by minute: its counts, and how long its fills took.

import { addToSketch, mergeSketch, newSketch, type Sketch } from "../signals/sketch.ts";
import type { Counters } from "./counters.ts";

const minuteMs = 60_000;
const minutesKept = 5;

type Minute = { start: number; before: Counters; fills: Sketch };

export type Recent = {
  counts: Counters;
  fills: Sketch;
  /** Since when this counts: five minutes ago, or since the process began. */
  since: number;
};

export function watchRecent(counters: Counters, now: () => number = Date.now) {
  const minutes: Minute[] = [];

  function turn(): Minute {
    const at = now();
    const start = at - (at % minuteMs);
    const last = minutes.at(-1);
    if (last?.start === start) return last;
    const minute = { start, before: { ...counters }, fills: newSketch() };
    minutes.push(minute);
    while (minutes[0]!.start < start - minutesKept * minuteMs) minutes.shift();
    return minute;
  }
  turn();

  return {
    addFill: (tookMs: number) => addToSketch(turn().fills, tookMs),
    /** Asked at least once a minute, or what happened in between counts for the wrong one. */
    read(): Recent {
      turn();
      const [oldest] = minutes;
      const counts = { ...counters };
      for (const name of Object.keys(counts) as (keyof Counters)[]) counts[name] -= oldest!.before[name];
      const fills = newSketch();
      for (const minute of minutes) mergeSketch(fills, minute.fills);
      return { counts, fills, since: oldest!.start };
    },
  };
}

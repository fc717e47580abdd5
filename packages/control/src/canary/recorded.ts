// What the judge says of signals that somebody recorded: of a file of counts, slot by slot, and of decisions that were kept with
// their evidence.

import { AppError } from "@signalbox/core/errors";
import { z } from "zod";
import type { CanaryStep } from "../settings.ts";
import type { Act } from "./decide.ts";
import { type Evidence, judge, type Verdict } from "./judge.ts";
import { type KeptSlot, slotMs } from "./tally.ts";
import { openTrial } from "./trial.ts";

/** Of each side: requests, and how many of them failed or were slower than the stable side's p95 and p99 before. */
export const signalColumns = [
  ...["second", "stable", "stable_errors", "stable_slow95", "stable_slow99"],
  ...["canary", "canary_errors", "canary_slow95", "canary_slow99"],
];

const unreadable = (line: number, why: string) => new AppError("malformed", `line ${line}: ${why}`);

/** Lines of numbers below a line of names; a slot of five seconds that is missing was heard by nobody. */
export function readSignals(text: string): KeptSlot[] {
  const [head = "", ...lines] = text.split(/\r?\n/).filter((line) => line !== "" && !line.startsWith("#"));
  if (head !== signalColumns.join()) throw unreadable(1, `must name the columns: ${signalColumns.join()}`);
  let last = Number.NEGATIVE_INFINITY;
  return lines.map((line, at) => {
    const cells = line.split(",");
    const [second = Number.NaN, ...counts] = cells.map((cell) =>
      cell.trim() === "" ? Number.NaN : Number(cell),
    );
    const start = second * 1_000;
    if (cells.length !== signalColumns.length) throw unreadable(at + 2, `has ${cells.length} columns`);
    if (!(start > last) || start % slotMs !== 0)
      throw unreadable(at + 2, "second must rise, in steps of five or more");
    last = start;
    const sideOf = (from: number) => {
      const [n = Number.NaN, errors = Number.NaN, slow95 = Number.NaN, slow99 = Number.NaN] =
        counts.slice(from);
      return { n, errors, slow95, slow99 };
    };
    // Above which a request was slow is the recording's own.
    const rest = { p95: 0, p99: 0, sketch: [], counters: {}, saturation: {} };
    return { start, stable: sideOf(0), canary: sideOf(4), ...rest };
  });
}

export type Told = { seconds: number; step: number; act: Act; why: string };

/** Every act that the judge would have taken, until the canary is over, and its last word. */
export function judgeSignals(
  slots: KeptSlot[],
  given: { steps: CanaryStep[]; triggers?: object },
): { acts: Told[]; verdict: Verdict } {
  const bySecond = new Map(slots.map((slot) => [slot.start, slot]));
  const trial = openTrial(given);
  const acts: Told[] = [];
  let verdict: Verdict | undefined;
  for (let start = 0; start <= (slots.at(-1)?.start ?? 0); start += slotMs) {
    const told = trial.look(start, bySecond.get(start));
    verdict = told.verdict;
    if (told.act === "hold") continue;
    acts.push({ seconds: told.seconds, step: told.step, act: told.act, why: told.why });
    if (told.act !== "advance") break;
  }
  return { acts, verdict: verdict! };
}

const keptDecisions = z.object({
  decisions: z.array(
    z.looseObject({ act: z.string(), verdict: z.string(), why: z.string(), evidence: z.custom<Evidence>() }),
  ),
});

/** Of each decision that was kept: whether the same evidence gives the same verdict now. */
export function judgeAgain(
  kept: unknown,
): { act: string; then: string; now: string; why: string; isSame: boolean }[] {
  return keptDecisions.parse(kept).decisions.map(({ act, verdict: then, evidence }) => {
    const { verdict: now, why } = judge(evidence);
    return { act, then, now, why, isSame: now === then };
  });
}

// What no canary may do, whoever asks: rules that keep the damage of a bad one small, and the ladders that we suggest.

import type { CanarySetting, CanaryStep, CanaryTarget, FreezeLayer, FreezeSetting } from "../settings.ts";
import { holding } from "../settings.ts";
import { maxFactor, maxPoints, mayFollow } from "./decide.ts";

export const templates = {
  quick: ladder([5, 60], [25, 120], [50, 120], [75, 120], [100, 0]),
  usual: ladder([1, 300], [5, 300], [25, 600], [50, 600], [75, 600], [100, 0]),
  careful: ladder(
    [0.1, 900],
    [0.5, 900],
    [2, 1_800],
    [10, 1_800],
    [25, 3_600],
    [50, 3_600],
    [75, 3_600],
    [100, 0],
  ),
} as const satisfies Record<string, CanaryStep[]>;

function ladder(...steps: [weight: number, bakeSeconds: number][]): CanaryStep[] {
  return steps.map(([weight, bakeSeconds]) => ({ weight, bakeSeconds }));
}

const maxRamps = 3;

/** Which field breaks which rule. */
export type Broken = { field: string; message: string };

export function checkLadder(steps: readonly CanaryStep[]): Broken[] {
  let last = 0;
  return steps.flatMap(({ weight }, at) => {
    const from = last;
    last = weight;
    const field = `steps.${at}.weight`;
    if (weight <= from) return [{ field, message: `must be more than the ${from} % before it` }];
    if (mayFollow(from, weight)) return [];
    const most = from === 0 ? maxPoints : Math.min(from * maxFactor, from + maxPoints);
    const rule = `a step is at most ${maxFactor} times the last one and ${maxPoints} points`;
    return [{ field, message: `${rule}, so at most ${most} % here` }];
  });
}

const isRamp = ({ state }: CanarySetting): boolean => state !== "promoted" && state !== "aborted";

/** The rules about everything else that goes on. */
export function checkSurroundings(
  target: CanaryTarget,
  { canaries, freezes }: { canaries: Record<string, CanarySetting>; freezes: Record<string, FreezeSetting> },
  nowMs: number,
): Broken[] {
  const ramps = Object.values(canaries).filter(isRamp);
  const met = ramps.find((other) => overlap(other.target, target));
  return [
    ...(met
      ? [
          {
            field: "target",
            message: `${nameOf(target)} is on a route of the canary ${met.id} (${nameOf(met.target)}); a route takes part in one at a time`,
          },
        ]
      : []),
    ...(ramps.length >= maxRamps
      ? [
          {
            field: "target",
            message: `${ramps.length} canaries are on their way; at most ${maxRamps} at once`,
          },
        ]
      : []),
    ...frozenBy(freezes, nowMs).map((why) => ({ field: "", message: why })),
  ];
}

export const nameOf = (target: CanaryTarget): string =>
  target.kind === "switch" ? target.key : `${target.kind} ${target.service} ${target.version}`;

/** Decides which callers are met: the same ones again in the next canary of the same thing. */
export const saltOf = (target: CanaryTarget): string =>
  `canary:${target.kind}:${target.kind === "switch" ? target.key : target.service}`;

export const isSameTarget = (one: CanaryTarget, other: CanaryTarget): boolean =>
  saltOf(one) === saltOf(other);

/** Whether a call or a job could take part in both. */
export function overlap(one: CanaryTarget, other: CanaryTarget): boolean {
  if (one.kind !== "switch" && other.kind !== "switch")
    return one.kind === other.kind && one.service === other.service;
  const [a, b] = [routeOf(one), routeOf(other)];
  return a === "*" || b === "*" || a === b || a.startsWith(`${b}.`) || b.startsWith(`${a}.`);
}

const routeOf = (target: CanaryTarget): string => (target.kind === "switch" ? target.key : target.service);

/** The freeze windows that an instant is in. */
export function frozenBy(freezes: Record<string, FreezeSetting>, nowMs: number): string[] {
  return Object.entries(freezes).flatMap(([key, setting]) => {
    const layer = holding<FreezeLayer>(setting, nowMs);
    return layer && isWithinWindow(layer, nowMs) ? [`the freeze window ${key} holds: ${layer.reason}`] : [];
  });
}

function isWithinWindow({ from, until, weekly }: FreezeLayer, nowMs: number): boolean {
  if (from !== null && nowMs < Date.parse(from)) return false;
  if (until !== null && nowMs >= Date.parse(until)) return false;
  if (weekly === null) return true;
  const { day, time } = localTime(nowMs, weekly.timeZone);
  const isOn = (each: number) => weekly.days.includes(each);
  if (weekly.from < weekly.until) return isOn(day) && time >= weekly.from && time < weekly.until;
  // Over midnight: the rest belongs to the day on which it began.
  return (isOn(day) && time >= weekly.from) || (isOn(day === 1 ? 7 : day - 1) && time < weekly.until);
}

const dayNames = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

function localTime(nowMs: number, timeZone: string): { day: number; time: string } {
  const parts = new Intl.DateTimeFormat("en-GB", {
    timeZone,
    weekday: "short",
    hour: "2-digit",
    minute: "2-digit",
    hourCycle: "h23",
  }).formatToParts(nowMs);
  const part = (type: string) => parts.find((each) => each.type === type)?.value ?? "";
  return { day: dayNames.indexOf(part("weekday")) + 1, time: `${part("hour")}:${part("minute")}` };
}

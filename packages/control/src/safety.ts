// Which of two positions of a switch is the safer one: the one under which nobody gets through whom the other stops.

import { isDeepStrictEqual } from "node:util";
import type { SwitchLayer } from "./settings.ts";

type Position = Pick<SwitchLayer, "state" | "share" | "targets" | "instead" | "salt">;

const offShare = ({ state, share }: Position) => (state === "off" ? share : 0);
// How much a call may still do.
const rank = { refuse: 2, stale: 1, degrade: 0 };

/** Whether everyone whom `now` stops is stopped by `next` as well. Null: on, as nothing is set. */
export function keepsOff(next: Position | null, now: Position | null): boolean {
  if (now === null || offShare(now) === 0) return true;
  if (next === null || offShare(next) < offShare(now)) return false;
  const sameUnits = offShare(next) === 100 || next.salt === now.salt;
  const sameCallers = next.targets.length === 0 || isDeepStrictEqual(next.targets, now.targets);
  return sameUnits && sameCallers && rank[next.instead] >= rank[now.instead];
}

// When a value is renewed before it ends: the nearer the end and the dearer its load, the likelier, so that of many readers one
// comes early and none all at once.

import type { Stored } from "./stored.ts";

/** How eagerly; 1 is the optimum of the XFetch paper. */
const beta = 1;

/** A cheap load is worth a head start too, as far as the value lives long enough. */
const spanOf = ({ freshUntil, filledAt, fillMs }: Stored<unknown>): number =>
  Math.max(fillMs, (freshUntil - filledAt) / 1_000) * beta;

/** How long before its end a value is renewed at the earliest. */
export const longestStart = (stored: Stored<unknown>): number => spanOf(stored) * 12;

export function isDue(stored: Stored<unknown>, now: number): boolean {
  const leftMs = stored.freshUntil - now;
  return leftMs < longestStart(stored) && leftMs <= spanOf(stored) * -Math.log(1 - Math.random());
}

// The flat list of switches as modules with what is below them, and what a key touches.

import type { Golden, SwitchItem } from "@signalbox/modules/control/schema";
import type { Show } from "./choices.ts";

export type Group = { module: string; items: SwitchItem[] };

export function groupSwitches(items: SwitchItem[], wanted: string, show: Show): Group[] {
  const text = wanted.trim().toLowerCase();
  const groups = new Map<string, SwitchItem[]>();
  for (const item of items) {
    if (show === "off" && item.effective.state === "on") continue;
    if (show === "touched" && item.revision === 0) continue;
    if (
      text &&
      ![item.key, item.reason, item.changedBy?.name ?? ""].some((it) => it.toLowerCase().includes(text))
    )
      continue;
    const module = item.key.split(".", 1)[0] ?? item.key;
    const group = groups.get(module);
    if (group) group.push(item);
    else groups.set(module, [item]);
  }
  return (
    [...groups]
      .map(([module, all]) => ({ module, items: all.toSorted((a, b) => comparePaths(a.key, b.key)) }))
      // What stands for everything comes first.
      .toSorted(
        (a, b) => Number(b.module === "*") - Number(a.module === "*") || a.module.localeCompare(b.module),
      )
  );
}

/** A prefix stands right above what is below it: `feed.post` before `feed.post.create` before `feed.poster`. */
function comparePaths(a: string, b: string): number {
  const [left, right] = [a.split("."), b.split(".")];
  for (let at = 0; at < Math.min(left.length, right.length); at++) {
    const order = (left[at] ?? "").localeCompare(right[at] ?? "");
    if (order !== 0) return order;
  }
  return left.length - right.length;
}

/** How far below its module a key is. */
export const depthOf = (key: string) => key.split(".").length - 1;

export const covers = (key: string, name: string) =>
  key === "*" || name === key || name.startsWith(`${key}.`);

/** The endpoints below a key with their traffic now, busiest first. */
export function touchedBy(
  key: string,
  golden: Golden | undefined,
): { rps: number; endpoints: Golden["items"] } {
  const endpoints = (golden?.items ?? [])
    .filter((item) => covers(key, item.key))
    .toSorted((a, b) => b.rps - a.rps);
  return { rps: endpoints.reduce((all, { rps }) => all + rps, 0), endpoints };
}

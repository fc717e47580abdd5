// The flat list of switches as modules with what is below them, and what a key touches.

import type { Golden, SwitchItem } from "@signalbox/modules/control/schema";
import type { Narrowed } from "./choices.ts";

export type Group = { module: string; items: SwitchItem[] };

/** Tags stand under names like those of modules. */
export const tagModule = "tags";

export function groupSwitches(items: SwitchItem[], { text, show, kind, tag }: Narrowed): Group[] {
  const wanted = text.trim().toLowerCase();
  const groups = new Map<string, SwitchItem[]>();
  for (const item of items) {
    if (show === "off" && item.effective.state === "on") continue;
    if (show === "touched" && item.revision === 0) continue;
    if (show === "flagged" && item.flags.length === 0) continue;
    if (kind !== "all" && (isWork(item) ? "work" : item.kind) !== kind) continue;
    if (tag !== undefined && !item.tags.includes(tag)) continue;
    if (wanted && !wordsOf(item).some((it) => it.toLowerCase().includes(wanted))) continue;
    const module = item.key.split(".", 1)[0] ?? item.key;
    const group = groups.get(module);
    if (group) group.push(item);
    else groups.set(module, [item]);
  }
  return (
    [...groups]
      .map(([module, all]) => ({ module, items: all.toSorted((a, b) => comparePaths(a.key, b.key)) }))
      // What stands for most comes first: everything, then what is alike, then one module after another.
      .toSorted((a, b) => breadth(a.module) - breadth(b.module) || a.module.localeCompare(b.module))
  );
}

/** What is done behind the scenes: it waits while it is off. */
export const isWork = ({ kind }: Pick<SwitchItem, "kind">) =>
  kind === "job" || kind === "queue" || kind === "consumer";

const breadth = (module: string) => (module === "*" ? 0 : module === tagModule ? 1 : 2);

const wordsOf = ({ key, title, reason, changedBy }: SwitchItem) => [
  ...[key, title, reason, changedBy?.name ?? ""],
];

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

/** What a switch stands for: itself, all below it, or all that carry its tag. */
export function standsFor(item: Pick<SwitchItem, "key" | "kind">, items: SwitchItem[]): SwitchItem[] {
  const tag = item.key.slice(tagModule.length + 1);
  return items.filter((one) =>
    item.kind === "tag"
      ? one.tags.includes(tag)
      : one.kind !== "tag" &&
        // Whoever turns off everything still wants its parts asked.
        !(item.key === "*" && one.kind === "dependency") &&
        covers(item.key, one.key),
  );
}

/** Whether requests are counted under it. */
export const takesCalls = ({ kind }: Pick<SwitchItem, "kind">) =>
  kind === "procedure" || kind === "prefix" || kind === "all" || kind === "tag";

type Endpoints = Golden["items"];

/** The endpoints that it touches with their traffic now, busiest first. */
export function touchedBy(
  item: Pick<SwitchItem, "key" | "kind">,
  items: SwitchItem[],
  golden: Golden | undefined,
): { rps: number; endpoints: Endpoints } {
  const names = item.kind === "tag" ? new Set(standsFor(item, items).map(({ key }) => key)) : undefined;
  const endpoints = (golden?.items ?? [])
    .filter(({ key }) => (names ? names.has(key) : covers(item.key, key)))
    .toSorted((a, b) => b.rps - a.rps);
  return { rps: endpoints.reduce((all, { rps }) => all + rps, 0), endpoints };
}

// What an act changed, field by field. Values are of any shape; who, why and when stand beside them in the log.

import { targetWords } from "./switches/switch-words.ts";

/** Of the act itself, or of no use to who reads. */
const hidden = new Set([
  ...["reason", "expiresAt", "revision", "order", "changedAt", "changedBy", "act", "afterwards", "salt"],
  ...["hash", "base", "id"],
]);

/** What a field is where nobody set it. */
const unset: Record<string, unknown> = {
  ...{ state: "on", share: 100, targets: [], instead: "refuse", message: "" },
};

type Change = { field: string; from: string; to: string };

export function changesOf(from: unknown, to: unknown): Change[] {
  const [left, right] = [flatten(from), flatten(to)];
  return [...new Set([...Object.keys(unset), ...left.keys(), ...right.keys()])].flatMap((field) => {
    const [was, is] = [left.get(field) ?? wordsOf(unset[field]), right.get(field) ?? wordsOf(unset[field])];
    if (!left.has(field) && !right.has(field)) return [];
    return was === is ? [] : [{ field, from: was, to: is }];
  });
}

function flatten(value: unknown, prefix = "", into = new Map<string, string>()): Map<string, string> {
  if (typeof value !== "object" || value === null) return into;
  for (const [name, inner] of Object.entries(value)) {
    if (prefix === "" && hidden.has(name)) continue;
    const path = prefix + name;
    if (typeof inner === "object" && inner !== null && !Array.isArray(inner) && prefix === "")
      flatten(inner, `${path}.`, into);
    else into.set(path, wordsOf(inner));
  }
  return into;
}

function wordsOf(value: unknown): string {
  if (value === null || value === undefined || value === "") return "–";
  if (Array.isArray(value)) {
    if (value.length === 0) return "–";
    if (value.every(isTarget)) return targetWords(value);
    return value.map((one) => (typeof one === "object" ? JSON.stringify(one) : String(one))).join(", ");
  }
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

type Target = Parameters<typeof targetWords>[0][number];
const isTarget = (value: unknown): value is Target =>
  typeof value === "object" && value !== null && "attribute" in value && "values" in value;

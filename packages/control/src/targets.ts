// Whom a switch meets: clauses over what is known of a caller, made ready once, so that asking costs a few look-ups.

import type { Target } from "./settings.ts";

export type AttributeValue = string | number | boolean | undefined;
/** What is known of a caller beside the unit that shares go by. */
export type Attributes = Readonly<Record<string, unknown>>;

type Clause = (attributes: Attributes) => boolean;

/** All of the clauses must be true. */
export function compileTargets(targets: readonly Target[]): Clause {
  const clauses = targets.map(compileTarget);
  return (attributes) => {
    for (const clause of clauses) if (!clause(attributes)) return false;
    return true;
  };
}

function compileTarget({ attribute, is, values }: Target): Clause {
  const read = (attributes: Attributes): AttributeValue => {
    const value = Object.hasOwn(attributes, attribute) ? attributes[attribute] : undefined;
    return typeof value === "string" || typeof value === "number" || typeof value === "boolean"
      ? value
      : undefined;
  };
  if (is === "in" || is === "notIn") {
    // `5` in a header and 5 in a document are the same.
    const known = new Set(values.map(String));
    const wanted = is === "in";
    return (attributes) => {
      const value = read(attributes);
      return (value !== undefined && known.has(typeof value === "string" ? value : String(value))) === wanted;
    };
  }
  const texts = values.map(String);
  return (attributes) => {
    const value = read(attributes);
    if (value === undefined) return false;
    const text = String(value);
    if (is === "startsWith") return texts.some((start) => text.startsWith(start));
    return texts.some((bound) => {
      const order = compareVersions(text, bound);
      return order !== undefined && (is === "below" ? order < 0 : order >= 0);
    });
  };
}

const versionForm = /^v?(\d{1,15}(?:\.\d{1,15}){0,5})(?:-([\w.-]+))?(?:\+[\w.-]*)?$/;

/** Numbers and versions, part by part; a pre-release stands before its release. Undefined: one of them is neither. */
export function compareVersions(a: string, b: string): number | undefined {
  const [left, right] = [versionForm.exec(a), versionForm.exec(b)];
  if (!left || !right) return compareNumbers(a, b);
  const [ours, theirs] = [left[1]!.split("."), right[1]!.split(".")];
  for (let at = 0; at < Math.max(ours.length, theirs.length); at++) {
    const order = Number(ours[at] ?? 0) - Number(theirs[at] ?? 0);
    if (order !== 0) return order;
  }
  const [early, late] = [left[2], right[2]];
  if (early === late) return 0;
  if (early === undefined || late === undefined) return early === undefined ? 1 : -1;
  return early < late ? -1 : 1;
}

function compareNumbers(a: string, b: string): number | undefined {
  const [left, right] = [Number(a), Number(b)];
  return a.trim() === "" || b.trim() === "" || Number.isNaN(left - right) ? undefined : left - right;
}

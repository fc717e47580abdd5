// Which changes under a protected key wait for a second person: those that let more callers through.

import { compile } from "./evaluate.ts";
import type { Document } from "./fold.ts";
import { keepsOff } from "./safety.ts";
import { settingsSchema } from "./settings.ts";

const isBelow = (name: string, key: string) => key === "*" || name === key || name.startsWith(`${key}.`);

/** A protected key stands for itself, for all below it, and for what is above it, which would open it too. */
export const isProtected = ({ protections = {} }: Pick<Document, "protections">, key: string): boolean =>
  Object.keys(protections).some((at) => isBelow(key, at) || isBelow(at, key));

/** Null: what is set on the key is taken away. */
export function needsSecondPerson(
  document: Document,
  key: string,
  next: Parameters<typeof keepsOff>[0],
  nowMs: number,
): boolean {
  if (!isProtected(document, key)) return false;
  const { switches } = document;
  // What callers of the key meet now may be said by a broader one.
  const now = compile(settingsSchema.parse({ switches })).decides(key, nowMs)?.layer ?? null;
  return !keepsOff(next, now);
}

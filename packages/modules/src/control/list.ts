// Lists for operators: everything where no limit is given, else a page and the key where the next one begins.

import { AppError } from "@signalbox/core/errors";

export function pageByKey<Item>(
  items: Item[],
  { limit, cursor }: { limit?: number; cursor?: string },
  keyOf: (item: Item) => string,
): { items: Item[]; nextCursor: string | null } {
  let from = 0;
  if (cursor !== undefined) {
    const key = openKey(cursor);
    // The item of the cursor may be gone by now; what came after it in order still does.
    const at = items.findIndex((item) => keyOf(item) === key);
    from = at >= 0 ? at : items.findIndex((item) => keyOf(item) > key);
    if (from < 0) return { items: [], nextCursor: null };
  }
  const page = limit === undefined ? items.slice(from) : items.slice(from, from + limit);
  const next = items[from + page.length];
  return { items: page, nextCursor: next === undefined ? null : sealKey(keyOf(next)) };
}

export const sealKey = (key: string): string => Buffer.from(key).toString("base64url");

function openKey(cursor: string): string {
  const key = Buffer.from(cursor, "base64url").toString();
  if (sealKey(key) !== cursor || key === "") throw badCursor();
  return key;
}

export function openRevision(cursor: string | undefined): number | undefined {
  if (cursor === undefined) return undefined;
  const revision = Number(openKey(cursor));
  if (!Number.isSafeInteger(revision) || revision < 1) throw badCursor();
  return revision;
}

function badCursor(): AppError {
  const message = "is not one that this list handed out";
  return new AppError("invalid", `cursor: ${message}`, { errors: [{ field: "cursor", message }] });
}

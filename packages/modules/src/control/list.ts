// Lists for operators: everything where no limit is given, else a page and the key where the next one begins.

import { foreignCursor, sealCursor, unsealCursor } from "../page.ts";

export function pageByKey<Item>(
  list: string,
  items: Item[],
  { limit, cursor }: { limit?: number; cursor?: string },
  keyOf: (item: Item) => string,
): { items: Item[]; nextCursor: string | null } {
  let from = 0;
  if (cursor !== undefined) {
    const key = unsealCursor(list, cursor);
    if (key === "") throw foreignCursor();
    // The item of the cursor may be gone by now; what came after it in order still does.
    const at = items.findIndex((item) => keyOf(item) === key);
    from = at >= 0 ? at : items.findIndex((item) => keyOf(item) > key);
    if (from < 0) return { items: [], nextCursor: null };
  }
  const page = limit === undefined ? items.slice(from) : items.slice(from, from + limit);
  const next = items[from + page.length];
  return { items: page, nextCursor: next === undefined ? null : sealCursor(list, keyOf(next)) };
}

/** The number inside a cursor, for what the log or a table counts. */
export function openRevision(list: string, cursor: string | undefined): number | undefined {
  if (cursor === undefined) return undefined;
  const revision = Number(unsealCursor(list, cursor));
  if (!Number.isSafeInteger(revision) || revision < 1) throw foreignCursor();
  return revision;
}

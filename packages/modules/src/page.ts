// Lists: `limit` and `cursor` in, `{items, nextCursor}` out. A cursor is a key, not an offset, so that it survives inserts and deletes.

import { AppError } from "@signalbox/core/errors";
import { z } from "zod";

export const Page = z.object({
  limit: z.coerce.number().int().min(1).max(100).default(20),
  cursor: z.string().max(200).optional(),
});
export type Page = z.infer<typeof Page>;

export const pageOf = <Item extends z.ZodType>(item: Item) =>
  z.object({
    items: z.array(item),
    nextCursor: z.string().nullable(),
    degraded: z
      .array(z.string())
      .optional()
      .describe("what was left out of the items, for lack of room or by an operator; absent: nothing"),
  });

/** Given one row more than asked for, keeps the page and says where the next one of this list begins. */
export function toPage<Row, Item>(
  list: string,
  rows: Row[],
  limit: number,
  cursorOf: (row: Row) => string,
  present: (row: Row) => Item,
) {
  const kept = rows.slice(0, limit);
  const last = kept.at(-1);
  return {
    items: kept.map(present),
    nextCursor: rows.length > limit && last !== undefined ? sealCursor(list, cursorOf(last)) : null,
  };
}

/** It names its list, so that it is taken nowhere else. Whose list it is stands in the name where each caller may ask for many. */
export const sealCursor = (list: string, key: string) => encode(`${list}:${key}`);

const encode = (text: string) => Buffer.from(text).toString("base64url");

/** What lies in a cursor of this list. Anything that we did not hand out is refused, not ignored. */
export function unsealCursor(list: string, cursor: string): string {
  const text = Buffer.from(cursor, "base64url").toString();
  if (encode(text) !== cursor) throw foreignCursor();
  const end = text.indexOf(":");
  // Without a name: whoever began a list before an upgrade comes to its end after it.
  if (end < 0) return text;
  if (text.slice(0, end) !== list)
    throw foreignCursor("is one of another list; a list takes only those that it handed out itself");
  return text.slice(end + 1);
}

export function foreignCursor(message = "is not one that this list handed out"): AppError {
  return new AppError("invalid", `cursor: ${message}`, { errors: [{ field: "cursor", message }] });
}

/** The id inside a cursor. */
export function openCursor(list: string, cursor: string | undefined): string | undefined {
  if (cursor === undefined) return undefined;
  const id = unsealCursor(list, cursor);
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(id)) throw foreignCursor();
  return id;
}

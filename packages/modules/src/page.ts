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

/** Given one row more than asked for, keeps the page and says where the next one begins. */
export function toPage<Row, Item>(
  rows: Row[],
  limit: number,
  cursorOf: (row: Row) => string,
  present: (row: Row) => Item,
) {
  const kept = rows.slice(0, limit);
  const last = kept.at(-1);
  return {
    items: kept.map(present),
    nextCursor: rows.length > limit && last !== undefined ? sealCursor(cursorOf(last)) : null,
  };
}

const sealCursor = (key: string) => Buffer.from(key).toString("base64url");

/** The key inside a cursor: ids joined by dots. Anything that we did not hand out is refused, not ignored. */
export function openCursor(cursor: string | undefined, parts = 1): string[] | undefined {
  if (cursor === undefined) return undefined;
  const ids = Buffer.from(cursor, "base64url").toString().split(".");
  if (
    ids.length !== parts ||
    !ids.every((id) => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(id)) ||
    sealCursor(ids.join(".")) !== cursor
  ) {
    throw new AppError("invalid", "cursor: is not one that this list handed out", {
      errors: [{ field: "cursor", message: "is not one that this list handed out" }],
    });
  }
  return ids;
}

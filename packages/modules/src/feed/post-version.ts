// Which state of a post a caller has read: the ETag of an answer, and the If-Match of a change.

import { hash } from "node:crypto";
import type { Ctx } from "../ctx.ts";
import { requireMatch } from "../if-match.ts";
import type { FeedItem } from "./schema.ts";

type Versioned = Pick<FeedItem, "id" | "text" | "visibility" | "editedAt">;

const digest = (...parts: unknown[]) => hash("sha256", JSON.stringify(parts), "base64url").slice(0, 16);

const versionOf = ({ id, text, visibility, editedAt }: Versioned) => digest(id, text, visibility, editedAt);

// An item is made once for all who see the same.
const tags = new WeakMap<FeedItem, string>();

/** The author, the counts and the marks of who reads are in it because they are in the answer. */
function tagOf(item: FeedItem): string {
  let tag = tags.get(item);
  if (tag === undefined) {
    tag = `"${versionOf(item)}.${digest(item)}"`;
    tags.set(item, tag);
  }
  return tag;
}

export function tagged({ answer: { headers } }: Ctx, item: FeedItem): FeedItem {
  headers.ETag = tagOf(item);
  headers.Vary = "Authorization";
  headers["Cache-Control"] = "private, no-cache";
  return item;
}

type Row = Omit<Versioned, "editedAt"> & { editedAt: Date | null };

export const requirePost = ({ ifMatch }: Ctx, row: Row): void => {
  if (ifMatch !== undefined)
    requireMatch(ifMatch, versionOf({ ...row, editedAt: row.editedAt?.toISOString() ?? null }), "post");
};

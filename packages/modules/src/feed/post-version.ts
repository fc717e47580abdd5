// Which state of a post a caller has read: the ETag of an answer, and the If-Match of a change.

import { hash } from "node:crypto";
import { onceFor } from "@signalbox/core/once-for";
import type { Ctx } from "../ctx.ts";
import { requireMatch } from "../if-match.ts";
import type { FeedItem } from "./schema.ts";

type Versioned = Pick<FeedItem, "id" | "text" | "visibility" | "editedAt">;

const digest = (...parts: unknown[]) => hash("sha256", JSON.stringify(parts), "base64url").slice(0, 16);

const versionOf = ({ id, text, visibility, editedAt }: Versioned) => digest(id, text, visibility, editedAt);

/** Made once for all who see the same. The author, the counts and the marks of who reads are in it because they are in the answer. */
const tagOf = onceFor((item: FeedItem) => `"${versionOf(item)}.${digest(item)}"`);

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

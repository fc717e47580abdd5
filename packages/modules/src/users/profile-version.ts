// Which state of a profile a caller has read: the ETag of an answer, and the If-Match of a change.

import { AppError } from "@signalbox/core/errors";
import type { StoredProfile } from "./cached.ts";

type Versioned = Pick<StoredProfile, "id" | "version" | "followers" | "following">;

/** The counts are in it because they are in the answer, the id because a handle may come to lead to someone else. */
export const profileTag = ({ id, version, followers, following }: Versioned) =>
  `"${id.slice(-12)}.${version}.${followers}.${following}"`;

/** Refuses a change made to another version than the one there is. A new follower is no other version. */
export function requireMatch(
  ifMatch: string | undefined,
  { id, version }: Pick<Versioned, "id" | "version">,
) {
  if (ifMatch === undefined) return;
  const start = `"${id.slice(-12)}.${version}.`;
  const tags = ifMatch.split(",").map((tag) => tag.trim());
  // A weak tag (W/) never matches here, as RFC 9110 asks for.
  if (tags.some((tag) => tag === "*" || tag.startsWith(start))) return;
  throw new AppError("stale", "the profile changed since you read it; read it again and repeat the change");
}

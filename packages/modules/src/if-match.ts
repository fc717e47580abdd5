// The If-Match of a change. A tag begins with what is a version of the thing itself; counts and the like, which are in the answer
// and so in its tag, come after that: a new follower or a like refuses no change.

import { AppError } from "@signalbox/core/errors";

/** Refuses a change made to another version than the one there is; without the header the last write wins. */
export function requireMatch(ifMatch: string | undefined, version: string, what: string): void {
  if (ifMatch === undefined) return;
  const tags = ifMatch.split(",").map((tag) => tag.trim());
  // A weak tag (W/) never matches here, as RFC 9110 asks for.
  if (tags.some((tag) => tag === "*" || tag.startsWith(`"${version}.`))) return;
  throw new AppError("stale", `the ${what} changed since you read it; read it again and repeat the change`);
}

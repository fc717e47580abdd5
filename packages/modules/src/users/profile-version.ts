// Which state of a profile a caller has read: the ETag of an answer, and the If-Match of a change.

import { requireMatch } from "../if-match.ts";
import type { StoredProfile } from "./cached.ts";

type Versioned = Pick<StoredProfile, "id" | "version" | "followers" | "following">;

/** The id is in it because a handle may come to lead to someone else. */
const versionOf = ({ id, version }: Pick<Versioned, "id" | "version">) => `${id.slice(-12)}.${version}`;

/** The counts are in it because they are in the answer. */
export const profileTag = (profile: Versioned) =>
  `"${versionOf(profile)}.${profile.followers}.${profile.following}"`;

export const requireProfile = (ifMatch: string | undefined, row: Pick<Versioned, "id" | "version">): void =>
  requireMatch(ifMatch, versionOf(row), "profile");

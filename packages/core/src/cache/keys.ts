// Every Redis key of the cache. The keys of one value carry one hash tag, so that a script may touch them together on a Cluster.

import { createHash } from "node:crypto";

const plain = /^[\w.~:-]{1,128}$/;

/** An id of any form as part of a key: a brace would end the hash tag, and a long one would be kept in Redis many times. */
const safe = (id: string) =>
  plain.test(id) ? id : `#${createHash("sha256").update(id).digest("base64url")}`;

export type ValueKeys = {
  value: string;
  /** Who is filling the value now; a fill counts only while its token is still here. */
  lease: string;
  /** There was an invalidation a moment ago. */
  cut: string;
};

export const valueKey = (name: string, id: string): string => `cache:{${name}:${safe(id)}}`;

export function valueKeys(name: string, id: string): ValueKeys {
  const value = valueKey(name, id);
  return { value, lease: `${value}:lease`, cut: `${value}:cut` };
}

/** Since when values count, by entity or prefix. */
export const epochsKey = "cache:{epochs}";

/** What each process says of its cache, by instance. */
export const reportsKey = "cache:{reports}";

/** Pub/sub knows neither key prefixes nor database numbers. */
export const newsChannel = (keyPrefix: string, database: number) => `${keyPrefix}cache:news:${database}`;

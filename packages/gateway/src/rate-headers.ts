// What callers are told of their limits: the RateLimit and RateLimit-Policy fields of the IETF's draft-ietf-httpapi-ratelimit-headers.

import type { Limit } from "@signalbox/control/evaluate";
import { madeOnce } from "@signalbox/core/made-once";
import { quotaOf, secondsToFill, type Taken } from "./limiter.ts";
import type { Ask } from "./pipeline.ts";

const policies = new WeakMap<object, string>();

/** What is full, and the seconds in which it fills: so what is left is never above the quota. */
function policyText({ key, value }: Limit): string {
  let text = policies.get(value);
  if (text === undefined) {
    text = `"${key}";q=${quotaOf(value)};w=${secondsToFill(value)}`;
    policies.set(value, text);
  }
  return text;
}

/** The same few limits meet in call after call. */
const join = madeOnce((policy, next) => [policy, next].join(", "));

/** Writes both, and answers the place of the limit that is nearest to its end: the one a caller should pace itself by. */
export function writeRateHeaders(headers: Record<string, string>, asks: Ask[], taken: Taken[]): number {
  let nearest = 0;
  let least = Number.POSITIVE_INFINITY;
  let policy = "";
  for (let at = 0; at < asks.length; at++) {
    const { limit } = asks[at]!;
    const left = taken[at]!;
    const part = left < 0 ? left : left / quotaOf(limit.value);
    if (part < least) {
      least = part;
      nearest = at;
    }
    policy = at === 0 ? policyText(limit) : join(policy, policyText(limit));
  }
  const { key, value } = asks[nearest]!.limit;
  const left = taken[nearest]!;
  const seconds = left < 0 ? -left / 1_000 : (1 - left / quotaOf(value)) * secondsToFill(value);
  headers["RateLimit-Policy"] = policy;
  headers.RateLimit = `"${key}";r=${left < 0 ? 0 : left};t=${Math.max(1, Math.ceil(seconds))}`;
  return nearest;
}

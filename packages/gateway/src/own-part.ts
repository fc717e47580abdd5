// What one instance counts by itself while nobody can ask Redis: its own part of a limit, by the limit's own algorithm.

import { windowParts } from "./limit-scripts.ts";

export type Part = {
  algorithm: "token-bucket" | "sliding-window";
  /** The most at once: the burst, or what fits into a window. At least 1, or a caller could do nothing at all. */
  quota: number;
  /** Of a token bucket. */
  ratePerMs: number;
  /** Of a sliding window. */
  windowMs: number;
};

export type OwnPart = {
  /** At least 0: let through, with so much left. Below 0: refused, and so many milliseconds to wait. */
  take(weight: number, at: number): number;
  giveBack(count: number): void;
  /** What was let through here and still counts: the others will want to know. */
  untold(at: number): number;
};

export const createOwnPart = (part: Part, left: number, at: number): OwnPart =>
  part.algorithm === "token-bucket" ? ownBucket(part, left, at) : ownWindow(part, left, at);

function ownBucket({ quota, ratePerMs }: Part, left: number, from: number): OwnPart {
  const start = Math.min(quota, left);
  let tokens = start;
  let filledAt = from;
  const fill = (at: number) => {
    tokens = Math.min(quota, tokens + Math.max(0, at - filledAt) * ratePerMs);
    filledAt = at;
  };
  return {
    take(weight, at) {
      fill(at);
      const cost = Math.min(weight, quota);
      if (tokens < cost) return -Math.max(1, (cost - tokens) / ratePerMs);
      tokens -= cost;
      return tokens;
    },
    giveBack(count) {
      tokens = Math.min(quota, tokens + count);
    },
    untold(at) {
      fill(at);
      return Math.max(0, Math.floor(start - tokens));
    },
  };
}

function ownWindow({ quota, windowMs }: Part, left: number, from: number): OwnPart {
  const partMs = windowMs / windowParts;
  const counts = new Map<number, number>();
  // What was let through before counts as if it had been just now.
  const before = Math.max(0, quota - left);
  let used = 0;
  const drop = (at: number): number => {
    const current = Math.floor(at / partMs);
    for (const [part, count] of counts)
      if (part < current - windowParts) {
        counts.delete(part);
        used -= count;
      }
    return current;
  };
  const usedAt = (at: number) => used + (at - from < windowMs ? before : 0);
  return {
    take(weight, at) {
      const current = drop(at);
      const cost = Math.min(weight, quota);
      const leftNow = quota - usedAt(at);
      if (leftNow < cost) {
        const [oldest = current] = counts.keys();
        const opens = (oldest + windowParts + 1) * partMs - at;
        return -Math.max(
          1,
          before > 0 && at - from < windowMs ? Math.min(opens, from + windowMs - at) : opens,
        );
      }
      counts.set(current, (counts.get(current) ?? 0) + cost);
      used += cost;
      return leftNow - cost;
    },
    giveBack(count) {
      for (const part of [...counts.keys()].reverse()) {
        const here = Math.min(count, counts.get(part)!);
        counts.set(part, counts.get(part)! - here);
        used -= here;
        count -= here;
      }
    },
    untold(at) {
      drop(at);
      return Math.floor(used);
    },
  };
}

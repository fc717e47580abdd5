// The first limit: each request of an address, before a token is looked at or a body is read, so that a flood of either costs little.

import type { Live } from "@signalbox/control/live";
import type { AppError } from "@signalbox/core/errors";
import { networkOf } from "@signalbox/core/network";
import type { Limiter, Taken } from "./limiter.ts";
import type { Toll } from "./pipeline.ts";
import { writeRateHeaders } from "./rate-headers.ts";
import { usedUp } from "./refusal.ts";

/** A token that is not good takes as much as so many calls: guessing ends early, and an old token is soon renewed. */
const badTokenWeight = 10;

export type Passage = { toll: Toll } | { refused: AppError; headers: Record<string, string> } | undefined;

export type Edge = {
  /** Undefined: addresses have no limit. */
  pass(address: string): Passage | Promise<Passage>;
  /** Later word that the request was not worth an ordinary call. */
  chargeBadToken(toll: Toll): void;
};

export function createEdge({
  live,
  limiter,
  now = Date.now,
}: {
  live: Live;
  limiter: Limiter;
  now?: () => number;
}): Edge {
  function settle(toll: Toll, left: Taken): Passage {
    toll.left = left;
    if (left >= 0) return { toll };
    const headers: Record<string, string> = {};
    writeRateHeaders(headers, [toll], [left]);
    return { refused: usedUp(toll.limit.key, -left), headers };
  }

  return {
    pass(address) {
      const limit = live.rules().limitAt("address", now);
      if (limit === undefined) return undefined;
      const toll = { limit, subject: networkOf(address), left: 0, prepaid: 1 };
      const taken = limiter.take(limit, toll.subject);
      return typeof taken === "number" ? settle(toll, taken) : taken.then((left) => settle(toll, left));
    },
    chargeBadToken({ limit, subject }) {
      void limiter.take(limit, subject, badTokenWeight - 1);
    },
  };
}

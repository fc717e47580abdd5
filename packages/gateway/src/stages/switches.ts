// Refuses what an operator has switched off, with the operator's message.

import type { Live } from "@signalbox/control/live";
import type { Stage } from "../pipeline.ts";
import { refusal } from "../refusal.ts";

const retryAfterMs = 30_000;

export function switches(live: Live, now: () => number): Stage {
  return (call, next) => {
    const nowMs = now();
    const off = live.rules().off(call.name, call.caller.id, nowMs);
    if (off === undefined) return next();
    // Where the end is known, callers are told to come back then.
    const leftMs = off.expiresAt === null ? retryAfterMs : Date.parse(off.expiresAt) - nowMs;
    return Promise.reject(
      refusal(
        "disabled",
        off.message || "this is switched off for now; try again later",
        Math.max(1_000, Math.min(leftMs, 3_600_000)),
      ),
    );
  };
}

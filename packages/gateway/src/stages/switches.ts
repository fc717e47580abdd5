// Refuses what an operator has switched off, with the operator's message.

import type { Live } from "@signalbox/control/live";
import { switchedOff } from "@signalbox/control/refusal";
import type { Stage } from "../pipeline.ts";
import { refusal } from "../refusal.ts";

export function switches(live: Live, now: () => number): Stage {
  return (call, next) => {
    const nowMs = now();
    const off = live.rules().off(call.name, call.caller.id, nowMs);
    if (off === undefined) return next();
    const endsInMs = off.expiresAt === null ? null : Date.parse(off.expiresAt) - nowMs;
    const { detail, retryAfterMs } = switchedOff(off.message, endsInMs);
    return Promise.reject(refusal("disabled", detail, retryAfterMs));
  };
}

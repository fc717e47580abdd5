// Refuses what an operator has switched off, with the operator's message; or lets it go on with less.

import type { Live } from "@signalbox/control/live";
import { switchedOff } from "@signalbox/control/refusal";
import type { Stage } from "../pipeline.ts";
import { refusal } from "../refusal.ts";

/** Behind a gateway nobody is refused twice, and what a caller gets instead is seen to here. */
export function switches(live: Live, now: () => number, { isBehind = false } = {}): Stage {
  return (call, next) => {
    const off = live.rules().off(call.name, call.caller.id, now, call.caller);
    if (off === undefined || (isBehind && off.instead === "refuse")) return next();
    const endsInMs = off.expiresAt === null ? null : Date.parse(off.expiresAt) - now();
    const { detail, retryAfterMs } = switchedOff(off.message, endsInMs);
    const refused = refusal("disabled", detail, retryAfterMs);
    if (off.instead === "refuse") throw refused;
    call.deadline.isLessened = true;
    if (off.instead === "stale") {
      call.deadline.barred = refused;
      call.headers.Degraded = "stale";
    }
    return next();
  };
}

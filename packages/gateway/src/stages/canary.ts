// Chooses stable or canary: the same caller gets the same answer while a weight stays, and keeps the canary while it grows. A
// tester who knows a canary's id chooses by header or cookie, and is no evidence.

import { isCanary } from "@signalbox/control/evaluate";
import type { Live } from "@signalbox/control/live";
import type { Stage } from "../pipeline.ts";

export function canary(live: Live): Stage {
  return (call, next) => {
    const rules = live.rules();
    // A release has two tracks only where the instance is chosen: in front of a service that runs elsewhere.
    const setting = rules.canaryOf(call.name) ?? (call.elsewhere && rules.releaseOf(call.service));
    if (setting === undefined) return next();
    const { id } = setting;
    const asked = call.override === id || call.override === `${id}=stable`;
    const side = (asked ? call.override === id : isCanary(setting, call.caller.id)) ? "canary" : "stable";
    call.variant = side;
    call.arm = { canary: id, side, asked };
    return next();
  };
}

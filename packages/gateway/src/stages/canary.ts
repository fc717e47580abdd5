// Chooses stable or canary: the same caller gets the same answer while a weight stays, and keeps the canary while it grows.

import { isCanary } from "@signalbox/control/evaluate";
import type { Live } from "@signalbox/control/live";
import type { Stage } from "../pipeline.ts";

export function canary(live: Live): Stage {
  return (call, next) => {
    const setting = live.rules().canaryOf(call.name, call.service);
    if (setting !== undefined && isCanary(setting, call.caller.id)) call.variant = "canary";
    return next();
  };
}

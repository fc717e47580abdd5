// Refuses when too much is under way already: background calls first, critical ones last.

import type { Live } from "@signalbox/control/live";
import type { Call, Stage } from "../pipeline.ts";
import { refusal } from "../refusal.ts";

export function loadShed(live: Live, eventLoopDelayMs: () => number): Stage {
  let inFlight = 0;

  /** Why a call of this priority is not taken now. */
  function tooMuch(priority: Call["priority"]): string | undefined {
    const { shed } = live.current();
    const percent =
      priority === "critical" ? 100 : priority === "normal" ? shed.normalPercent : shed.backgroundPercent;
    if (inFlight >= (shed.maxInFlight * percent) / 100) return "too many calls are under way";
    if (priority === "critical") return undefined;
    const patience = priority === "normal" ? 4 * shed.eventLoopDelayMs : shed.eventLoopDelayMs;
    return eventLoopDelayMs() > patience ? "this instance is behind with its work" : undefined;
  }

  return async (call, next) => {
    const why = tooMuch(call.priority);
    if (why !== undefined) {
      // Spread, so that those who were refused together do not come back together.
      throw refusal("overloaded", `${why}; try again shortly`, 500 + Math.floor(Math.random() * 1_500));
    }
    inFlight += 1;
    try {
      return await next();
    } finally {
      inFlight -= 1;
    }
  };
}

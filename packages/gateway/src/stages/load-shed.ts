// Refuses what can not be answered in time anyway: background calls first, critical ones last. Each service has a lane of its own,
// so that one that is slow does not take the room of the others.

import type { Live } from "@signalbox/control/live";
import type { LaneFigures } from "@signalbox/core/signals/saturation";
import { createLane, type Lane } from "../lane.ts";
import type { Call, Stage } from "../pipeline.ts";
import { refusal } from "../refusal.ts";

/** What tells that this process itself is short of something. */
export type Pressure = {
  eventLoopDelayMs(): number;
  /** Statements that wait for a connection to the database. */
  poolWaiting(): number;
  /** The database has been asked several things and answers nothing. */
  databaseHangs?(): boolean;
};

/** Mean delay over a second from which on a slow answer is taken for our own doing. */
const lateLoopMs = 50;

export function createLoadShed(
  live: Live,
  pressure: Pressure,
  { now, codeOf }: { now: () => number; codeOf?: (error: unknown) => unknown },
) {
  const lanes = new Map<string, Lane>();
  const underPressure = () => pressure.poolWaiting() > 0 || pressure.eventLoopDelayMs() > lateLoopMs;

  // Where this process itself is late, so are the answers that it takes.
  const databaseHangs = () =>
    pressure.databaseHangs?.() === true && pressure.eventLoopDelayMs() <= lateLoopMs;

  function laneOf(service: string): Lane {
    let lane = lanes.get(service);
    if (lane === undefined) {
      const settings = () => live.rules().shedOf(service, now);
      lane = createLane({ service, settings, underPressure, databaseHangs, codeOf });
      lanes.set(service, lane);
    }
    return lane;
  }

  function isBehind({ priority, service }: Call): boolean {
    const delayMs = pressure.eventLoopDelayMs();
    if (delayMs === 0 || priority === "critical") return false;
    const patience = live.rules().shedOf(service, now).eventLoopDelayMs;
    return delayMs > (priority === "normal" ? 4 * patience : patience);
  }

  const stage: Stage = (call, next) => {
    // Spread, so that those who were refused together do not come back together.
    if (isBehind(call))
      throw refusal(
        "overloaded",
        "this instance is behind with its work; try again shortly",
        500 + Math.floor(Math.random() * 1_500),
      );
    // A service that runs elsewhere knows by itself what it can take.
    return call.elsewhere ? next() : laneOf(call.service).run(call, next);
  };

  return {
    stage,
    /** Does a service have more to do than it can, so that what is optional in its answers is better left out? */
    isOverloaded: (service: string): boolean => lanes.get(service)?.overloaded ?? false,
    figures: (): LaneFigures[] => [...lanes.values()].map((lane) => lane.figures()),
  };
}

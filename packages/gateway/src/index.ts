// Every stage in the order in which calls meet them: memory before Redis, the cheapest refusal first.

import type { Live } from "@signalbox/control/live";
import type { AppError } from "@signalbox/core/errors";
import type { Logger } from "@signalbox/core/log";
import type { Redis } from "@signalbox/core/redis";
import { pipeline, type Stage } from "./pipeline.ts";
import { switches } from "./stages/switches.ts";

export type GatewayDeps = {
  live: Live;
  redis: Redis;
  log: Logger;
  instance: { id: string; track: "stable" | "canary" };
  now?: () => number;
  /** Turns whatever a verb threw into one of our errors, so that the right status is counted. */
  nameError?: (error: unknown) => AppError;
};

export function createGateway(deps: GatewayDeps): Stage {
  const now = deps.now ?? Date.now;
  return pipeline([switches(deps.live, now)]);
}

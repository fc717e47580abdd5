// Every stage in the order in which calls meet them: memory before Redis, the cheapest refusal first.

import type { Live } from "@signalbox/control/live";
import type { AppError } from "@signalbox/core/errors";
import type { Logger } from "@signalbox/core/log";
import type { Redis } from "@signalbox/core/redis";
import type { LaneFigures } from "@signalbox/core/signals/saturation";
import type { Signals } from "@signalbox/core/signals/signals";
import { createLimiter, type Limiter } from "./limiter.ts";
import { pipeline, type Stage } from "./pipeline.ts";
import { canary } from "./stages/canary.ts";
import { createLoadShed } from "./stages/load-shed.ts";
import { rateLimit } from "./stages/rate-limit.ts";
import { switches } from "./stages/switches.ts";
import { trace } from "./stages/trace.ts";

export type GatewayDeps = {
  live: Live;
  redis: Redis;
  log: Logger;
  /** Absent: nothing is counted. */
  signals?: Signals;
  instance: { id: string; track: "stable" | "canary" };
  /** How many instances share a limit while Redis is away. */
  instances?: () => number;
  /** How many statements wait for a connection to the database. */
  poolWaiting?: () => number;
  /** The database has been asked several things and answers nothing. */
  databaseHangs?: () => boolean;
  /** Keeps installs that share a Redis apart. */
  prefix?: string;
  now?: () => number;
  /** A process behind a gateway: what callers are and may has been looked at there. */
  isBehind?: boolean;
  /** Makes one of our errors of whatever a verb threw, so that it counts for what it is. */
  nameError?: (error: unknown) => AppError;
};

/** The limiter is shared with verbs that count by something only they know, such as failed sign-ins by account. */
export type Gateway = Stage & {
  limiter: Limiter;
  isOverloaded(service: string): boolean;
  /** How much each service has under way here, and how much it takes. */
  lanes(): LaneFigures[];
  close(): Promise<void>;
};

export function createGateway(deps: GatewayDeps): Gateway {
  const {
    live,
    redis,
    log,
    signals,
    instance,
    instances,
    prefix,
    nameError,
    isBehind = false,
    now = Date.now,
  } = deps;
  const limiter = createLimiter({ redis, instances, prefix });
  const pressure = {
    eventLoopDelayMs: () => signals?.eventLoopDelayMs ?? 0,
    poolWaiting: deps.poolWaiting ?? (() => 0),
    databaseHangs: deps.databaseHangs,
  };
  const codeOf = nameError && ((error: unknown) => nameError(error).code);
  const shed = createLoadShed(live, pressure, { now, codeOf });
  const counted = trace({ log, signals, instance, nameError });
  const limited = rateLimit(live, limiter, now, { isBehind });
  const stage = pipeline(
    isBehind
      ? [counted, switches(live, now, { isBehind }), shed.stage, limited]
      : [counted, switches(live, now), shed.stage, limited, canary(live)],
  );
  return Object.assign(stage, {
    limiter,
    isOverloaded: shed.isOverloaded,
    lanes: shed.figures,
    close: () => limiter.close(),
  });
}

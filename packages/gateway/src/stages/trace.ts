// Measures each call once: its count and latency among the signals, its span where traces are collected, its failure in the log.

import { AppError } from "@signalbox/core/errors";
import type { Logger } from "@signalbox/core/log";
import type { Outcome, Signals } from "@signalbox/core/signals/signals";
import { isTracing, rootSpan } from "@signalbox/core/telemetry";
import type { Call, Stage, Teller } from "../pipeline.ts";

const refusals = new Set<string>(["disabled", "rate_limited", "overloaded"]);
// When everything fails, the first lines tell what; thousands more would only slow the rest down.
const failureLinesPerSecond = 20;

export function trace({
  log,
  signals,
  instance,
  nameError,
}: {
  log: Logger;
  signals: Signals | undefined;
  instance: { track: "stable" | "canary" };
  nameError?: (error: unknown) => AppError;
}): Stage {
  let lines = 0;
  let linesFrom = 0;
  let unwritten = 0;

  function logFailure(call: Call, error: unknown, durationMs: number): void {
    const at = performance.now();
    if (at - linesFrom > 1_000) {
      if (unwritten > 0) log.error({ unwritten }, "more calls failed in the same second than are written");
      linesFrom = at;
      lines = 0;
      unwritten = 0;
    }
    lines += 1;
    if (lines > failureLinesPerSecond) {
      unwritten += 1;
      return;
    }
    log.error({ ...describe(call, durationMs), error }, "a call failed");
  }

  function finish(call: Call, outcome: Outcome): number {
    const durationMs = (call.endedAt ?? performance.now()) - call.startedAt;
    const track = instance.track === "canary" ? "canary" : call.variant;
    if (!call.elsewhere?.counted) signals?.record(call.name, call.service, track, durationMs, outcome);
    return durationMs;
  }

  /** For the judge: where the side was chosen, so that an instance that answers nothing counts as well. */
  function countArm({ arm, elsewhere }: Call, durationMs: number, outcome: Outcome): void {
    if (arm === undefined || arm.asked) return;
    const escaped = arm.side === "canary" && elsewhere?.escaped;
    signals?.recordArm(arm.canary, arm.side, durationMs, escaped ? "error" : outcome);
  }

  function fail(call: Call, error: unknown): void {
    const named = error instanceof AppError ? error : nameError?.(error);
    const status = named?.status ?? 500;
    const outcome = named && refusals.has(named.code) ? "refused" : status >= 500 ? "error" : "ok";
    const durationMs = finish(call, outcome);
    // The side was chosen behind limits and shedding, so that here it is the side that had no room.
    countArm(call, durationMs, named?.code === "overloaded" ? "error" : outcome);
    if (outcome === "error" && !call.elsewhere?.counted) {
      const cause = named?.code === "internal" && named.cause instanceof Error ? named.cause : error;
      const message = cause instanceof Error ? cause.message : String(cause);
      signals?.recordError(call.name, named?.code ?? "internal", message, call.requestId);
      logFailure(call, error, durationMs);
    } else if (log.isLevelEnabled("debug"))
      log.debug({ ...describe(call, durationMs), code: named?.code }, "a call was refused");
  }

  const teller: Teller = {
    answered(call) {
      const durationMs = finish(call, "ok");
      countArm(call, durationMs, "ok");
      if (log.isLevelEnabled("debug")) log.debug(describe(call, durationMs), "a call was answered");
      signals?.leave();
    },
    failed(call, error) {
      fail(call, error);
      signals?.leave();
    },
  };

  return <T>(call: Call, next: () => T | Promise<T>): T | Promise<T> => {
    signals?.enter();
    const traced = isTracing();
    if (!traced) call.teller = teller;
    let result: T | Promise<T>;
    try {
      result = traced ? rootSpan(toRoot(call), async () => next()) : next();
    } catch (error) {
      teller.failed(call, error);
      throw error;
    }
    if (!(result instanceof Promise)) {
      teller.answered(call);
      return result;
    }
    // Whoever follows the work tells.
    if (!traced && call.teller === undefined) return result;
    call.teller = undefined;
    return result.then(
      (value) => {
        teller.answered(call);
        return value;
      },
      (error) => {
        teller.failed(call, error);
        throw error;
      },
    );
  };
}

const describe = ({ name, requestId, traceparent, caller, variant }: Call, durationMs: number) => ({
  call: name,
  requestId,
  traceId: traceparent.slice(3, 35),
  caller: caller.kind,
  variant,
  durationMs: Math.round(durationMs * 100) / 100,
});

const toRoot = ({ name, traceparent, parentSpanId, requestId, service, caller }: Call) => ({
  name,
  traceparent,
  ...(parentSpanId === undefined ? {} : { parentSpanId }),
  kind: "server" as const,
  attributes: {
    "rpc.system.name": "trpc",
    "rpc.method": name,
    "signalbox.service": service,
    "signalbox.request_id": requestId,
    "signalbox.caller": caller.kind,
  },
});

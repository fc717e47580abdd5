// What is done to canaries: each act one event in the log, then in force here, then pushed to everyone. Acts of the judge that let
// more callers in need the log; those that turn back take effect without it, as an operator's do.

import { AppError } from "@signalbox/core/errors";
import { type ChangeDeps, change, type Why } from "../changes.ts";
import type { Document } from "../fold.ts";
import type { FreezeLayer } from "../settings.ts";
import { holding } from "../settings.ts";
import { beginCanary, type CanaryAct, type CanarySpec, changeCanary } from "./machine.ts";
import { type Broken, checkLadder, checkSurroundings } from "./rules.ts";

export async function startCanary(deps: ChangeDeps, spec: CanarySpec, why: Why) {
  const done = await change(deps, {
    ...why,
    kind: "canary.started",
    key: spec.id,
    // Looked at once more where nobody else can act in between.
    decide(document, nowMs) {
      refuseBroken([...checkLadder(spec.steps), ...checkSurroundings(spec.target, partsOf(document), nowMs)]);
      return { before: null, after: beginCanary(spec, nowMs) };
    },
  });
  return done!;
}

export const partsOf = ({ canaries = {}, freezes = {} }: Document) => ({ canaries, freezes });

export function refuseBroken(broken: Broken[]): void {
  if (broken.length === 0) return;
  throw new AppError("invalid", broken.map(({ message }) => message).join("; "), { errors: broken });
}

const kinds = {
  advance: "canary.advanced",
  complete: "canary.completed",
  promote: "canary.promoted",
  pause: "canary.paused",
  resume: "canary.resumed",
  freeze: "canary.frozen",
  abort: "canary.aborted",
  extend: "canary.extended",
  close: "canary.closed",
} as const satisfies Record<CanaryAct["act"], string>;

/** Undefined: nothing to do, it is so already or somebody else was faster. */
export async function actOnCanary(
  deps: ChangeDeps,
  id: string,
  given: CanaryAct,
  why: Why,
  {
    eventId,
    expected,
    forward = false,
  }: {
    /** Of the event, where it must be known before. */
    eventId?: string;
    /** The revision that was judged: nothing is done to what has changed since. */
    expected?: number;
    /** Lets more callers in, and so waits for the log. */
    forward?: boolean;
  } = {},
) {
  const act = {
    ...why,
    ...(eventId === undefined ? {} : { id: eventId }),
    kind: kinds[given.act],
    key: id,
    decide(document: Document, nowMs: number) {
      const canary = document.canaries?.[id];
      if (canary === undefined) throw unknownCanary(id);
      if (expected !== undefined && canary.revision !== expected) return undefined;
      const after = changeCanary(canary, given, nowMs);
      return after === undefined ? undefined : { before: canary, after };
    },
  };
  if (!forward) return change(deps, act);
  const done = await deps.controlLog.append(act);
  if (done === undefined) return undefined;
  const committedAt = performance.now();
  await deps.live.announce(done.folded).catch(() => {});
  return { revision: done.event.revision, event: done.event, committedAt, logged: true };
}

export const unknownCanary = (id: string): AppError =>
  new AppError("not_found", `there is no canary ${id}; the list is in GET /operator/v1/canaries`);

export type FreezeChange = Pick<FreezeLayer, "from" | "until" | "weekly">;

export async function setFreeze(deps: ChangeDeps, key: string, to: FreezeChange, why: Why) {
  const done = await change(deps, {
    ...why,
    kind: "freeze.set",
    key,
    decide({ freezes }, nowMs) {
      const current = freezes?.[key];
      return { before: (current && holding<FreezeLayer>(current, nowMs)) ?? null, after: { ...to } };
    },
  });
  return done!;
}

export async function removeFreeze(deps: ChangeDeps, key: string, why: Why) {
  const done = await change(deps, {
    ...why,
    kind: "freeze.reset",
    key,
    decide({ freezes }, nowMs) {
      const current = freezes?.[key];
      if (current === undefined) throw new AppError("not_found", `there is no freeze window ${key}`);
      return { before: holding<FreezeLayer>(current, nowMs) ?? null, after: null };
    },
  });
  return done!;
}

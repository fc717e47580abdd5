// The calls of one service: so many at once as makes sense, and a short line by priority for the rest. Critical calls wait in
// order and first; of the others the newest goes first, because the oldest one's caller has most likely given up.

import type { AppError } from "@signalbox/core/errors";
import { onEnd } from "@signalbox/core/resilience/deadline";
import type { LaneFigures } from "@signalbox/core/signals/saturation";
import { createAdaptiveLimit, type LimitBounds } from "./adaptive-limit.ts";
import type { Call } from "./pipeline.ts";
import { refusal } from "./refusal.ts";

export type LaneSettings = LimitBounds & {
  /** Of the limit, up to which percentage calls of lesser priority are taken. */
  normalPercent: number;
  backgroundPercent: number;
  maxQueue: number;
  /** How long a call may wait for its turn while the line is short-lived. */
  patienceMs: number;
  criticalPatienceMs: number;
};

export type Lane = {
  run<T>(call: Call, next: () => T | Promise<T>): T | Promise<T>;
  readonly overloaded: boolean;
  figures(): LaneFigures;
};

type Waiter = { call: Call; since: number; enter(): void; refuse(why: AppError): void };

/** A line that is there for so long is not a burst, unless fewer join it by now than are let in. */
const standingMs = 300;
const stretchMs = 100;
/** In a standing line whoever is not served soon is better told so. */
const shortPatienceMs = 10;
/** Without a refusal for so long the overload is over. */
const calmMs = 1_000;
const sweepMs = 5;
/** What has not ended so long after its deadline never will. */
const lostMs = 30_000;

export function createLane({
  service,
  settings,
  underPressure,
  databaseHangs = () => false,
  codeOf = (error) => (error as { code?: unknown } | undefined)?.code,
  now = performance.now.bind(performance),
}: {
  service: string;
  settings: () => LaneSettings;
  underPressure: () => boolean;
  databaseHangs?: () => boolean;
  /** Of whatever a verb threw. */
  codeOf?: (error: unknown) => unknown;
  now?: () => number;
}): Lane {
  const adaptive = createAdaptiveLimit({ bounds: settings, underPressure, now });
  const lines: Record<Call["priority"], Waiter[]> = { critical: [], normal: [], background: [] };
  let inFlight = 0;
  let waiting = 0;
  let lineFrom = 0;
  let stretch = { from: 0, joined: 0, taken: 0 };
  let before = stretch;
  let overloadedUntil = 0;
  let refused = 0;
  let sweeping: NodeJS.Timeout | undefined;

  const room = (priority: Call["priority"]): boolean => {
    const { minInFlight, maxInFlight, normalPercent, backgroundPercent } = settings();
    // A new setting holds at once, not with the next answer.
    const limit = Math.max(minInFlight, Math.min(maxInFlight, adaptive.limit));
    if (priority === "critical") return inFlight < limit;
    const percent = priority === "normal" ? normalPercent : backgroundPercent;
    return inFlight < Math.max(1, Math.floor((limit * percent) / 100));
  };

  /** Who joined and who was let in lately. */
  function lately(at: number): typeof stretch {
    if (at - stretch.from >= stretchMs) {
      before = stretch;
      stretch = { from: at, joined: 0, taken: 0 };
    }
    return stretch;
  }

  function isShrinking(at: number): boolean {
    const { joined, taken } = lately(at);
    const isFresh = at - before.from < 3 * stretchMs;
    return taken + (isFresh ? before.taken : 0) > joined + (isFresh ? before.joined : 0);
  }

  function isOverloaded(at: number): boolean {
    if (at < overloadedUntil) return true;
    if (waiting === 0 || at - lineFrom < standingMs || isShrinking(at)) return false;
    overloadedUntil = at + calmMs;
    return true;
  }

  function refuse(at: number): AppError {
    refused += 1;
    if (isOverloaded(at)) overloadedUntil = at + calmMs;
    // Spread, so that those who were refused together do not come back together.
    const retryAfterMs = 500 + Math.floor(Math.random() * 1_500);
    // It is full of calls that wait for an answer, and not of those that were too many.
    return databaseHangs()
      ? refusal(
          "unavailable",
          "the database does not answer; nothing was changed, try again shortly",
          retryAfterMs,
        )
      : refusal("overloaded", "too many calls are under way; try again shortly", retryAfterMs);
  }

  function wait(call: Call): Promise<void> {
    const at = now();
    adaptive.reach();
    const { maxQueue } = settings();
    const line = lines[call.priority];
    if (line.length >= maxQueue || (call.priority === "background" && isOverloaded(at)))
      return Promise.reject(refuse(at));
    return new Promise((resolve, reject) => {
      line.push({ call, since: at, enter: resolve, refuse: reject });
      if (waiting === 0) lineFrom = at;
      waiting += 1;
      lately(at).joined += 1;
      sweeping ??= setInterval(sweep, sweepMs).unref();
    });
  }

  function take(waiter: Waiter): void {
    waiting -= 1;
    inFlight += 1;
    lately(now()).taken += 1;
    waiter.enter();
  }

  /** Lets in whoever has room now. */
  function pump(): void {
    const { critical, normal, background } = lines;
    while (critical.length > 0 && room("critical")) take(critical.shift()!);
    if (critical.length > 0) return;
    while (normal.length > 0 && room("normal")) take(normal.pop()!);
    if (normal.length > 0) return;
    while (background.length > 0 && room("background")) take(background.pop()!);
  }

  /** Tells those for whom waiting has no sense any more. */
  function sweep(): void {
    pump();
    const at = now();
    const { patienceMs, criticalPatienceMs } = settings();
    const isStanding = isOverloaded(at);
    for (const priority of ["critical", "normal", "background"] as const) {
      const line = lines[priority];
      if (line.length === 0) continue;
      const patience =
        priority === "critical"
          ? criticalPatienceMs
          : isStanding
            ? Math.min(patienceMs, shortPatienceMs)
            : patienceMs;
      // Oldest first, so all who stay are at the end; a caller who left counts wherever he stands.
      lines[priority] = line.filter((waiter) => {
        const why =
          waiter.call.deadline.ended(at) ?? (at - waiter.since >= patience ? refuse(at) : undefined);
        if (why === undefined) return true;
        waiting -= 1;
        waiter.refuse(why);
        return false;
      });
    }
    if (waiting > 0) return;
    clearInterval(sweeping);
    sweeping = undefined;
  }

  function leave(call: Call, from: number, counts: boolean): void {
    const at = now();
    call.endedAt = at;
    if (counts) adaptive.sample(call.name, at - from, inFlight, at);
    inFlight -= 1;
    if (waiting > 0) pump();
  }

  /** How fast something is refused says nothing about how long it takes; that its time was over does. */
  const isSample = (error: unknown) => codeOf(error) === "deadline";

  function work<T>(call: Call, from: number, next: () => T | Promise<T>): T | Promise<T> {
    let begun: T | Promise<T>;
    try {
      begun = next();
    } catch (error) {
      leave(call, from, isSample(error));
      throw error;
    }
    if (begun instanceof Promise) return follow(call, from, begun);
    leave(call, from, true);
    return begun;
  }

  /** Answers when the time is over, whatever the work does then; its place is free when it has really ended, or is given up. */
  function follow<T>(call: Call, from: number, begun: Promise<T>): Promise<T> {
    const { teller } = call;
    call.teller = undefined;
    return new Promise((resolve, reject) => {
      let lost: NodeJS.Timeout | undefined;
      let isOver = false;
      const end = (counts: boolean) => {
        if (isOver) return;
        isOver = true;
        watch[Symbol.dispose]();
        clearTimeout(lost);
        leave(call, from, counts);
      };
      const watch = onEnd(call.deadline, (why) => {
        lost = setTimeout(end, lostMs, false).unref();
        teller?.failed(call, why);
        reject(why);
      });
      begun.then(
        (value) => {
          const isLate = lost !== undefined;
          end(true);
          if (!isLate) teller?.answered(call);
          resolve(value);
        },
        (error) => {
          const isLate = lost !== undefined;
          end(isSample(error));
          if (!isLate) teller?.failed(call, error);
          reject(error);
        },
      );
    });
  }

  return {
    run(call, next) {
      if (waiting === 0 && room(call.priority)) {
        inFlight += 1;
        return work(call, call.startedAt, next);
      }
      return wait(call).then(() => work(call, now(), next));
    },
    get overloaded() {
      return isOverloaded(now());
    },
    figures: () => ({
      service,
      ...adaptive.figures(),
      inFlight,
      waiting,
      refused,
      overloaded: isOverloaded(now()),
    }),
  };
}

// Stops asking a part that fails: what can not be answered is refused at once, and a few calls try whether the part is back.

import { AppError } from "../errors.ts";

export type BreakerState = "closed" | "open" | "half-open";
/** An operator's word: `open` refuses whatever happens, `closed` lets through whatever happens. */
export type Forced = "open" | "closed" | undefined;

export type BreakerFigures = {
  state: BreakerState;
  forced: "open" | "closed" | null;
  /** Of the last ten seconds. */
  calls: number;
  failures: number;
  refused: number;
  opened: number;
  since: string;
  reason: string;
};

export type Breaker = {
  readonly name: string;
  readonly state: BreakerState;
  /** May a call go on? Throws `unavailable` where it may not; else give what it returns to `done`, in every case. */
  enter(): number;
  /** `undefined`: it ended for another reason, and says nothing about the part. */
  done(ticket: number, ok: boolean | undefined, reason?: string): void;
  /** Both at once, for what is not asked thousands of times a second. */
  run<T>(work: () => Promise<T>): Promise<T>;
  /** Opens it, for a part that gives no answers to count. */
  trip(reason: string): void;
  /** Closes it, for whoever has tried by himself and knows that the part is back. */
  restore(reason: string): void;
  figures(): BreakerFigures;
};

export type BreakerOptions = {
  name: string;
  /** What callers read: `the database`. */
  title?: string;
  /** A caller's own mistake says nothing about the part. By default refusals and 4xx do not count. */
  isFailure?: (error: unknown) => boolean;
  /** So much of at least so many calls within ten seconds must fail. */
  ratio?: number;
  minCalls?: number;
  /** How long it stays open the first time; doubled up to `maxOpenMs` while probes fail. */
  openMs?: number;
  maxOpenMs?: number;
  /** So many successes in a row close it; so many may try at once. */
  probes?: number;
  forced?: () => Forced;
  onChange?: (state: BreakerState, reason: string) => void;
  now?: () => number;
};

/** Nothing but failures for so long, and at least `minCalls` of them: what went well before does not count then. */
const silenceMs = 1_000;
const bucketMs = 1_000;
const bucketCount = 10;

export function createBreaker({
  name,
  title = name,
  isFailure = isFault,
  ratio = 0.5,
  minCalls = 20,
  openMs = 1_000,
  maxOpenMs = 10_000,
  probes = 3,
  forced = () => undefined,
  onChange,
  now = performance.now.bind(performance),
}: BreakerOptions): Breaker {
  const oks = new Uint32Array(bucketCount);
  const failures = new Uint32Array(bucketCount);
  let bucket = 0;
  let bucketEnd = now() + bucketMs;
  let state: BreakerState = "closed";
  /** Answers to calls of an earlier state say nothing about this one. */
  let term = 0;
  let openUntil = 0;
  let nextOpenMs = openMs;
  let probing = 0;
  let proven = 0;
  let streak = 0;
  let lastOkAt = now();
  let refused = 0;
  let opened = 0;
  let since = new Date();
  let reason = "";

  function turn(at: number): void {
    if (at < bucketEnd) return;
    const passed = Math.min(bucketCount, Math.floor((at - bucketEnd) / bucketMs) + 1);
    for (let n = 0; n < passed; n++) {
      bucket = (bucket + 1) % bucketCount;
      oks[bucket] = 0;
      failures[bucket] = 0;
    }
    bucketEnd = at + bucketMs - ((at - bucketEnd) % bucketMs);
  }

  function become(next: BreakerState, why: string): void {
    state = next;
    term += 1;
    probing = 0;
    proven = 0;
    streak = 0;
    lastOkAt = now();
    reason = why;
    since = new Date();
    if (next === "closed") {
      oks.fill(0);
      failures.fill(0);
      nextOpenMs = openMs;
    }
    if (next === "open") {
      // Spread, so that processes do not all try in the same moment.
      openUntil = now() + nextOpenMs * (0.8 + Math.random() * 0.4);
      nextOpenMs = Math.min(maxOpenMs, nextOpenMs * 2);
      opened += 1;
    }
    onChange?.(next, why);
  }

  function refuse(retryAfterMs: number, why: string): AppError {
    refused += 1;
    const { stackTraceLimit } = Error;
    // Under load the stacks would be the load.
    Error.stackTraceLimit = 0;
    const error = new AppError("unavailable", `${title} ${why}; nothing was changed, try again shortly`, {
      retryAfterMs: Math.round(Math.max(retryAfterMs, 500) * (1 + Math.random())),
    });
    Error.stackTraceLimit = stackTraceLimit;
    return error;
  }

  function enter(): number {
    const said = forced();
    if (said === "closed") return term;
    if (said === "open") throw refuse(5_000, "is taken out of use by an operator");
    if (state === "closed") return term;
    const at = now();
    if (state === "open") {
      if (at < openUntil) throw refuse(openUntil - at, "does not answer");
      become("half-open", "its time was over");
    }
    if (probing >= probes) throw refuse(500, "is being tried again");
    probing += 1;
    return term;
  }

  function done(ticket: number, ok: boolean | undefined, why = "a call failed"): void {
    if (ticket !== term) return;
    if (ok === undefined) {
      if (state === "half-open") probing -= 1;
      return;
    }
    const at = now();
    turn(at);
    if (ok) {
      oks[bucket]! += 1;
      streak = 0;
      lastOkAt = at;
    } else {
      failures[bucket]! += 1;
      streak += 1;
    }
    if (state === "half-open") {
      probing -= 1;
      if (!ok) become("open", why);
      else {
        proven += 1;
        if (proven >= probes) become("closed", "it answers again");
      }
      return;
    }
    if (ok || state !== "closed" || forced() === "closed") return;
    const failed = sum(failures);
    const calls = failed + sum(oks);
    if (calls >= minCalls && failed >= calls * ratio)
      become("open", `${failed} of ${calls} calls failed: ${why}`);
    else if (streak >= minCalls && at - lastOkAt >= silenceMs)
      become("open", `the last ${streak} calls failed: ${why}`);
  }

  return {
    name,
    get state() {
      return state;
    },
    enter,
    done,
    async run(work) {
      const ticket = enter();
      try {
        const result = await work();
        done(ticket, true);
        return result;
      } catch (error) {
        const isEnded = error instanceof AppError && error.code === "cancelled";
        const why = error instanceof Error ? error.message : String(error);
        done(ticket, isEnded ? undefined : !isFailure(error), why);
        throw error;
      }
    },
    trip(why) {
      if (state !== "open" && forced() !== "closed") become("open", why);
    },
    restore(why) {
      if (state !== "closed") become("closed", why);
    },
    figures() {
      turn(now());
      const failed = sum(failures);
      return {
        state,
        forced: forced() ?? null,
        calls: failed + sum(oks),
        failures: failed,
        refused,
        opened,
        since: since.toISOString(),
        reason,
      };
    },
  };
}

function sum(counts: Uint32Array): number {
  let all = 0;
  for (const count of counts) all += count;
  return all;
}

const isFault = (error: unknown): boolean =>
  !(error instanceof AppError) ||
  (error.status >= 500 && error.code !== "overloaded" && error.code !== "disabled");

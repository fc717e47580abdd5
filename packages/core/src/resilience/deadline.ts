// How long a call may take. One object a call, found from anywhere below it; a timer or an AbortSignal exists only where someone asks.

import { AsyncLocalStorage, AsyncResource } from "node:async_hooks";
import { AppError } from "../errors.ts";

/** What a caller sends, and what we send on: how much time is left. Milliseconds or seconds, `1500ms`, `2s`, `2.5`. */
export const timeoutHeader = "x-request-timeout";

/** The other end of a call: its socket, where it has one. */
export type Peer = { readonly destroyed: boolean };

export class Deadline {
  /** By performance.now(). */
  readonly at: number;
  readonly #peer: Peer | undefined;
  /** The source of what is cached must not be asked in this call: the refusal of whoever tries. */
  barred: AppError | undefined;
  /** An operator's: who mends what does not answer must be able to ask it. */
  asksAnyway = false;
  /** Its answer leaves out what is optional. */
  isLessened = false;
  #ended: AppError | undefined;
  #controller: AbortController | undefined;
  #watch: Disposable | undefined;

  constructor(ms: number, peer?: Peer, fromMs = performance.now()) {
    this.at = fromMs + ms;
    this.#peer = peer;
  }

  get remainingMs(): number {
    return Math.max(0, this.at - performance.now());
  }

  /** Why this call need not be worked on any more; undefined: it goes on. */
  ended(nowMs = performance.now()): AppError | undefined {
    if (this.#ended === undefined) {
      if (nowMs >= this.at) this.cancel(timeIsOver());
      else if (this.#peer?.destroyed) this.cancel(new AppError("cancelled", "the caller went away"));
    }
    return this.#ended;
  }

  throwIfEnded(): void {
    const why = this.ended();
    if (why) throw why;
  }

  /** Before the database is asked. */
  throwIfBarred(): void {
    if (this.barred) throw this.barred;
    this.throwIfEnded();
  }

  cancel(why: AppError): void {
    if (this.#ended) return;
    this.#ended = why;
    this.#controller?.abort(why);
  }

  /** For fetch and whatever else takes one. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      const why = this.ended();
      if (why) this.#controller.abort(why);
      else this.#watch = onEnd(this, () => {});
    }
    return this.#controller.signal;
  }

  /** The call is answered: nothing is left to end. */
  close(): void {
    this.#watch?.[Symbol.dispose]();
  }

  /** What an outgoing request says, so that the other side stops when we would not listen any more. */
  header(): string {
    return `${Math.max(1, Math.floor(this.remainingMs))}ms`;
  }
}

const timeIsOver = () =>
  new AppError("deadline", "the time for this call is over; a change may have been made all the same");

/** Reads the header; undefined: not sent. */
export function readTimeout(header: string | string[] | undefined): number | undefined {
  if (header === undefined) return undefined;
  const [, digits = "", unit] = /^(\d{1,7}(?:\.\d{1,3})?)(ms|s)?$/.exec(String(header).trim()) ?? [];
  const ms = Number(digits) * (unit === "ms" ? 1 : 1_000);
  if (ms > 0) return ms;
  throw new AppError("malformed", "X-Request-Timeout must be a time such as 1500ms or 2s");
}

const calls = new AsyncLocalStorage<Deadline>();
const outside = new AsyncResource("call");

function begin<T>(deadline: Deadline, work: () => T): T {
  calls.enterWith(deadline);
  return work();
}

/**
 * Does the work of a call: whatever it asks finds its deadline. A call begins from outside of everything and not with run(), which
 * would copy what surrounds it twice.
 */
export const withDeadline = <T>(deadline: Deadline, work: () => T): T =>
  outside.runInAsyncScope(begin<T>, undefined, deadline, work) as T;

/** Undefined outside of a call: in jobs, in what operators change and in the platform's own upkeep. */
export const currentDeadline = (): Deadline | undefined => calls.getStore();

// ---- one clock for everything that waits ----

const tickMs = 20;

/** All that wait are a ring, which begins and ends at one place: joining it and leaving it are a few pointers. */
class Place {
  before: Place = this;
  after: Place = this;
}

const waiting = new Place();
let timer: NodeJS.Timeout | undefined;

class Watch extends Place implements Disposable {
  readonly deadline: Deadline;
  readonly end: (why: AppError) => void;

  constructor(deadline: Deadline, end: (why: AppError) => void) {
    super();
    this.deadline = deadline;
    this.end = end;
    this.before = waiting.before;
    this.after = waiting;
    this.before.after = this;
    waiting.before = this;
  }

  get waits(): boolean {
    return this.after !== this;
  }

  [Symbol.dispose](): void {
    this.before.after = this.after;
    this.after.before = this.before;
    // It holds on to nobody, and leaving once more does nothing.
    this.before = this;
    this.after = this;
  }
}

function tick(): void {
  const all: Watch[] = [];
  for (let at = waiting.after; at instanceof Watch; at = at.after) all.push(at);
  if (all.length === 0) {
    clearInterval(timer);
    timer = undefined;
    return;
  }
  const nowMs = performance.now();
  for (const watch of all) {
    // What one is told may end others.
    const why = watch.waits ? watch.deadline.ended(nowMs) : undefined;
    if (why === undefined) continue;
    watch[Symbol.dispose]();
    watch.end(why);
  }
}

/** Calls `end` once, soon after the deadline has ended. A look at all that waits every few ms is cheaper than a timer for each. */
export function onEnd(deadline: Deadline, end: (why: AppError) => void): Disposable {
  timer ??= setInterval(tick, tickMs).unref();
  return new Watch(deadline, end);
}

// Stands before a pool: ends statements with the call that they belong to, refuses at once what a silent server would not answer,
// and knows how full the pool is. The driver makes a statement when it is written and hands it over when it is awaited; the guard
// takes its place in that hand-over, so that it sees each statement once and adds no promise of its own.

import { AppError } from "@signalbox/core/errors";
import { Passing } from "@signalbox/core/passing";
import type { Breaker } from "@signalbox/core/resilience/breaker";
import { currentDeadline, type Deadline, onEnd } from "@signalbox/core/resilience/deadline";
import type { PoolUse } from "@signalbox/core/signals/saturation";
import type postgres from "postgres";
import { isDatabaseAway } from "./faults.ts";

/** What the driver's statement is at run time. */
type Statement = Promise<unknown> & {
  handler: Handler;
  resolve(value: unknown): void;
  reject(error: unknown): void;
  cancel(): Promise<void> | null;
  /** Null: no connection has it yet. */
  state: object | null;
  /** The server works on it now. */
  active: boolean;
  /** Of one that is read in parts. */
  cursorFn: unknown;
};
type Handler = ((statement: Statement) => unknown) & { debug?: unknown };
type Sql = postgres.Sql;

/** Without an answer for so long, the server counts as silent. */
const silentMs = 2_000;
/** From when on a call that finds no room hears that the database is the reason. */
const suspectMs = 300;
/** The server itself ends a statement after ten seconds: one that takes longer will not be answered. */
const goneMs = 15_000;
/** What many callers wait for together ends with none of them. */
const sharedGoneMs = 5_000;
const sweepMs = 250;
const worthStoppingMs = 50;

export type Guard = {
  /** For what a call asks for itself. */
  forCalls(client: Sql): Sql;
  /** For what is read once for whoever asks: it outlives the call that asked first. */
  forAll(client: Sql): Sql;
  use(): PoolUse;
  /** Several statements wait, and nothing was answered since they began. */
  hangs(): boolean;
};

class Running {
  readonly from = performance.now();
  readonly ticket: number;
  /** Somebody waits for it: an operator too, whom the breaker does not count. */
  readonly isCall: boolean;
  readonly goneAt: number;
  readonly end: (why: unknown) => void;
  isSilent = false;

  constructor(ticket: number, isCall: boolean, goneMs: number, end: (why: unknown) => void) {
    this.ticket = ticket;
    this.isCall = isCall;
    this.goneAt = this.from + goneMs;
    this.end = end;
  }
}

export function createGuard(size: number, breaker: Breaker | undefined): Guard {
  const running = new Passing<Running, true>();
  let answeredAt = 0;
  let sweeping: NodeJS.Timeout | undefined;

  function sweep(): void {
    if (running.size === 0) {
      clearInterval(sweeping);
      sweeping = undefined;
      return;
    }
    const nowMs = performance.now();
    if (hangs(nowMs, silentMs)) breaker?.trip(`no answer to anything within ${silentMs} ms`);
    for (const [one] of running.all()) {
      if (!one.isSilent && nowMs - one.from >= silentMs) {
        one.isSilent = true;
        breaker?.done(one.ticket, false, `no answer within ${silentMs} ms`);
      }
      if (nowMs >= one.goneAt || (one.isSilent && one.isCall && breaker?.state === "open")) one.end(silent());
    }
  }

  /** One slow statement says nothing; but several wait, and none that began with them or later was answered. */
  function hangs(nowMs: number, forMs: number): boolean {
    let silent = 0;
    for (const [one] of running.all())
      if (one.ticket >= 0 && one.from >= answeredAt && nowMs - one.from >= forMs && ++silent === 2)
        return true;
    return false;
  }

  function enter(ticket: number, isCall: boolean, isShared: boolean, end: (why: unknown) => void): Running {
    const one = new Running(ticket, isCall || isShared, isShared ? sharedGoneMs : goneMs, end);
    running.set(one, true);
    sweeping ??= setInterval(sweep, sweepMs).unref();
    return one;
  }

  function leave(one: Running, ok: boolean | undefined, error?: unknown): void {
    running.delete(one);
    if (ok) answeredAt = performance.now();
    if (!one.isSilent) breaker?.done(one.ticket, ok, error instanceof Error ? error.message : undefined);
  }

  /** Jobs, operators and the platform's own upkeep are neither refused nor counted: they wait, and try again by themselves. */
  const ticketOf = (deadline: Deadline | undefined, isShared: boolean): number =>
    breaker && (isShared || deadline?.asksAnyway === false) ? breaker.enter() : -1;

  function start(statement: Statement, inner: Handler, isShared: boolean): void {
    const deadline = isShared ? undefined : currentDeadline();
    let ticket: number;
    try {
      deadline?.throwIfBarred();
      // Its reader takes as long as it takes, and the driver settles each part anew: whoever followed it would stop it in the middle.
      if (statement.cursorFn) return void inner(statement);
      ticket = ticketOf(deadline, isShared);
    } catch (error) {
      statement.reject(error);
      return;
    }
    const end = follow(statement, deadline, hears, (ok, error) => leave(one, ok, error));
    const one = enter(ticket, deadline !== undefined, isShared, end);
    inner(statement);
  }

  /** Inside a transaction its connection is counted already, and what has begun may end. */
  function startInside(statement: Statement, inner: Handler): void {
    const deadline = currentDeadline();
    const why = deadline?.ended();
    if (why) {
      statement.reject(why);
      return;
    }
    if (deadline)
      follow(statement, deadline, hears, (ok) => {
        if (ok) answeredAt = performance.now();
      });
    inner(statement);
  }

  /** A silent server hears of no wish to stop either. */
  const hears = () => breaker === undefined || breaker.state === "closed";

  function begin(client: Sql, isShared: boolean, args: unknown[]): Promise<unknown> {
    const work = args.at(-1) as (sql: postgres.TransactionSql) => unknown;
    const deadline = isShared ? undefined : currentDeadline();
    return new Promise((resolve, reject) => {
      deadline?.throwIfBarred();
      const one = enter(ticketOf(deadline, isShared), deadline !== undefined, isShared, reject);
      const watch = deadline && onEnd(deadline, reject);
      const finish = (ok: boolean | undefined, error?: unknown) => {
        watch?.[Symbol.dispose]();
        leave(one, ok, error);
      };
      const inside = (transaction: postgres.TransactionSql) => {
        // It may have waited long for its connection.
        deadline?.throwIfEnded();
        return work(guardTransaction(transaction));
      };
      const open = client.begin as (...args: unknown[]) => Promise<unknown>;
      open(...args.slice(0, -1), inside).then(
        (value) => {
          finish(true);
          resolve(value);
        },
        (error) => {
          finish(deadline?.ended() ? undefined : !isDatabaseAway(error), error);
          reject(error);
        },
      );
    });
  }

  const guardTransaction = (client: postgres.TransactionSql): postgres.TransactionSql =>
    wrap(client, startInside, {
      savepoint(...args: unknown[]) {
        const work = args.at(-1) as (sql: postgres.TransactionSql) => unknown;
        const open = client.savepoint as unknown as (...args: unknown[]) => Promise<unknown>;
        return open(...args.slice(0, -1), (inner: postgres.TransactionSql) => work(guardTransaction(inner)));
      },
    });

  const guard = (client: Sql, isShared: boolean): Sql =>
    wrap(client, (statement, inner) => start(statement, inner, isShared), {
      begin: (...args: unknown[]) => begin(client, isShared, args),
    });

  return {
    forCalls: (client) => guard(client, false),
    forAll: (client) => guard(client, true),
    hangs: () => hangs(performance.now(), suspectMs),
    use: () => ({
      size,
      inUse: Math.min(size, running.size),
      waiting: Math.max(0, running.size - size),
    }),
  };
}

/** Settles a statement once: by the driver's word, or before it through what this returns. */
function follow(
  statement: Statement,
  deadline: Deadline | undefined,
  canStop: () => boolean,
  onSettled: (ok: boolean | undefined, error?: unknown) => void,
): (why: unknown) => void {
  const { resolve, reject } = statement;
  const from = performance.now();
  let isAnswered = false;
  let isSettled = false;
  const settle = (ok: boolean | undefined, error?: unknown) => {
    if (isSettled) return;
    isSettled = true;
    watch?.[Symbol.dispose]();
    onSettled(ok, error);
  };
  const end = (why: unknown) => {
    if (isSettled) return;
    settle(undefined);
    const { active } = statement;
    reject(why);
    // The driver takes it for answered now; the server is still at it.
    statement.active = active;
    if (canStop()) stop(statement, from, () => isAnswered);
  };
  const watch = deadline && onEnd(deadline, end);
  statement.resolve = (value) => {
    isAnswered = true;
    settle(true);
    resolve(value);
  };
  statement.reject = (error) => {
    isAnswered = true;
    settle(!isDatabaseAway(error), error);
    reject(error);
  };
  return end;
}

/**
 * Takes it out of the line, or tells the server to stop. The server is told of a connection and not of a statement, so a word that
 * comes too late stops the next one: what is short, or waits behind another on its connection, is left to end by itself.
 */
function stop(statement: Statement, from: number, isAnswered: () => boolean): void {
  if (statement.state === null) {
    statement.cancel()?.catch(() => {});
    return;
  }
  setTimeout(
    () => {
      if (statement.active && !isAnswered()) statement.cancel()?.catch(() => {});
    },
    Math.max(0, from + worthStoppingMs - performance.now()),
  ).unref();
}

/** The same client, whose statements are started by `start`. */
function wrap<Client extends Sql | postgres.TransactionSql>(
  client: Client,
  start: (statement: Statement, inner: Handler) => void,
  more: object,
): Client {
  let handler: Handler | undefined;
  const taken = (made: unknown): unknown => {
    // Names and lists of values are made by the same function, and are no statements.
    if (!(made instanceof Promise)) return made;
    const statement = made as Statement;
    if (handler === undefined) {
      const inner = statement.handler;
      handler = Object.assign((each: Statement) => start(each, inner), { debug: inner.debug });
    }
    statement.handler = handler;
    return statement;
  };
  const ask = client as unknown as (...args: unknown[]) => unknown;
  const unsafe = client.unsafe as unknown as (...args: unknown[]) => unknown;
  return Object.assign((...args: unknown[]) => taken(ask(...args)), client, {
    unsafe: (...args: unknown[]) => taken(unsafe(...args)),
    ...more,
  }) as unknown as Client;
}

const silent = () =>
  new AppError("unavailable", "the database does not answer; try again shortly", {
    retryAfterMs: 1_000 + Math.floor(Math.random() * 2_000),
  });

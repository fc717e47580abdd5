// Writes that are taken while the database is away, where an operator wants that: kept on this machine's disk before anybody is
// told so, and done in their order once it is back. Each is done under an Idempotency-Key, its caller's or one of our own, that
// its first try had already: whatever became of that, and however often it is tried, it takes effect once.

import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import type { Live } from "@signalbox/control/live";
import { AppError } from "@signalbox/core/errors";
import { newId } from "@signalbox/core/ids";
import type { Logger } from "@signalbox/core/log";
import type { Family } from "@signalbox/core/metrics";
import type { Redis } from "@signalbox/core/redis";
import type { Actor, AsUser, Ctx } from "../ctx.ts";
import { type Journal, openJournal } from "./journal.ts";
import { takeFolder } from "./lock.ts";

type User = Extract<Actor, { kind: "user" }>;
export type Write = {
  kind: "write";
  id: string;
  /** Of the procedure. */
  name: string;
  actor: User;
  raw: unknown;
  key: string;
  requestId: string;
  traceparent: string;
  at: number;
};
type Outcome = {
  kind: "outcome";
  id: string;
  userId: string;
  status: "done" | "refused";
  result?: unknown;
  problem?: { code: string; detail: string };
  at: number;
};
type Entry = Write | Outcome;

export type WriteState = {
  id: string;
  status: "queued" | "done" | "refused";
  result?: unknown;
  problem?: { code: string; detail: string };
};

export type WriteQueue = {
  /** Whether a write that finds no database is kept. */
  isOn(name: string): boolean;
  /** Has this user writes here that were not done yet? Later ones wait behind them. */
  holds(userId: string): boolean;
  /** Resolves, with the refusal that says so, once it is on the disk. */
  take(ctx: AsUser, asked: { name: string; raw: unknown; key: string }): Promise<AppError>;
  read(userId: string, id: string): Promise<WriteState | undefined>;
  families(): Family[];
  close(): Promise<void>;
};

/** What is known of a write that was done, for so long. */
const keptMs = 24 * 3_600_000;
/** What fails for no reason that passes holds up all that wait behind it, so it is given up. */
const maxFaults = 8;
const retryMs = { least: 200, most: 3_000 };

type Parts = {
  folder: string;
  live: Live;
  log: Logger;
  redis: Redis;
  /** Does one as its user, through its procedure; throws what that throws. */
  perform(write: Write): Promise<unknown>;
};

/** Undefined: another process works with this folder. */
export async function openWriteQueue(parts: Parts): Promise<WriteQueue | undefined> {
  const { folder, live, log, redis, perform } = parts;
  const lock = takeFolder(folder);
  if (!lock) return undefined;
  const journal: Journal<Entry> = await openJournal(join(folder, "journal"));
  const waiting = new Map<string, Write>();
  const outcomes = new Map<string, Outcome>();
  const byKey = new Map<string, string>();
  const held = new Map<string, number>();
  const faults = new Map<string, number>();
  let dones = 0;
  let isClosed = false;
  let running: Promise<void> | undefined;
  const left = new AbortController();

  const keyOf = (userId: string, key: string) => `${userId} ${key}`;
  function hold(write: Write): void {
    waiting.set(write.id, write);
    byKey.set(keyOf(write.actor.id, write.key), write.id);
    held.set(write.actor.id, (held.get(write.actor.id) ?? 0) + 1);
  }
  function settle(outcome: Outcome): void {
    const write = waiting.get(outcome.id);
    if (write) {
      waiting.delete(write.id);
      byKey.delete(keyOf(write.actor.id, write.key));
      const more = (held.get(write.actor.id) ?? 1) - 1;
      if (more > 0) held.set(write.actor.id, more);
      else held.delete(write.actor.id);
    }
    outcomes.set(outcome.id, outcome);
  }
  for (const entry of journal.found) {
    if (entry.kind === "write") hold(entry);
    else settle(entry);
  }
  if (waiting.size > 0) log.info({ writes: waiting.size }, "writes of before wait to be done");

  const most = () => live.rules().number("feed.writeQueue", Date.now());

  /** For whoever asks another instance. The user's id in the name lets it go with him. */
  const tell = (userId: string, state: WriteState) =>
    redis
      .set(stateKey(userId, state.id), JSON.stringify(state), "PX", keptMs)
      .catch((error) => log.debug({ error }, "how a write stands could not be told to other instances"));

  async function doAll(): Promise<void> {
    let waitMs = retryMs.least;
    while (!isClosed && waiting.size > 0) {
      const [write] = waiting.values();
      const outcome = await attempt(write!);
      if (outcome === undefined) {
        await pause(waitMs * (0.75 + Math.random() / 2), undefined, { signal: left.signal }).catch(() => {});
        waitMs = Math.min(waitMs * 2, retryMs.most);
        continue;
      }
      waitMs = retryMs.least;
      // Should this be lost, the write is done again under its key, and changes nothing.
      await journal.append(outcome).catch((error) => log.warn({ error }, "an outcome was not written down"));
      settle(outcome);
      dones += 1;
      const { id, status, result, problem } = outcome;
      void tell(outcome.userId, { id, status, ...(problem ? { problem } : { result }) });
    }
    if (isClosed) return;
    // What people wrote is in the database now, and need not lie here as well.
    const since = Date.now() - keptMs;
    for (const [id, { at }] of outcomes) if (at < since) outcomes.delete(id);
    await journal
      .rewrite([...outcomes.values(), ...waiting.values()])
      .catch((error) => log.warn({ error }, "the journal of writes was not made smaller"));
  }

  async function attempt(write: Write): Promise<Outcome | undefined> {
    const about = { kind: "outcome", id: write.id, userId: write.actor.id, at: Date.now() } as const;
    try {
      return { ...about, status: "done", result: await perform(write) };
    } catch (error) {
      const isFault = !(error instanceof AppError) || error.code === "internal";
      const count = isFault ? (faults.get(write.id) ?? 0) + 1 : 0;
      if (count >= maxFaults) {
        faults.delete(write.id);
        log.error({ error, write: write.id }, "a queued write failed again and again, and is given up");
        const detail = "it failed again and again; the request id finds why in the log";
        return { ...about, status: "refused", problem: { code: "internal", detail } };
      }
      if (isFault) faults.set(write.id, count);
      if (!(error instanceof AppError) || error.status >= 500 || error.retryAfterMs !== undefined) {
        log.debug({ error, write: write.id }, "a queued write is tried again");
        return undefined;
      }
      if (/took effect/.test(error.message)) return { ...about, status: "done" };
      log.info({ error, write: write.id }, "a queued write was refused");
      return { ...about, status: "refused", problem: { code: error.code, detail: error.message } };
    }
  }

  function start(): void {
    if (running || isClosed) return;
    running = doAll()
      .catch((error) => log.error({ error }, "queued writes stand still; they are tried again"))
      .finally(() => {
        running = undefined;
        if (waiting.size > 0) start();
      });
  }
  start();

  return {
    isOn: (name) => !isClosed && most() > 0 && !live.rules().off(`${name}.queue`, "write", Date.now()),
    holds: (userId) => held.has(userId),
    async take(ctx, { name, raw, key }) {
      const known = byKey.get(keyOf(ctx.actor.id, key));
      if (known) return queued(ctx, known);
      if (waiting.size >= most())
        throw new AppError(
          "unavailable",
          "the database is away, and no more writes are kept; try again shortly",
          {
            retryAfterMs: 5_000,
          },
        );
      const { actor, requestId, traceparent } = ctx;
      const write: Write = {
        kind: "write",
        id: newId(),
        name,
        actor,
        raw,
        key,
        requestId,
        traceparent,
        at: Date.now(),
      };
      // Counted before it is on the disk, so that whoever sends it twice has one.
      hold(write);
      try {
        await journal.append(write);
      } catch (error) {
        waiting.delete(write.id);
        byKey.delete(keyOf(actor.id, key));
        held.delete(actor.id);
        for (const other of waiting.values())
          if (other.actor.id === actor.id) held.set(actor.id, (held.get(actor.id) ?? 0) + 1);
        throw error;
      }
      void tell(actor.id, { id: write.id, status: "queued" });
      start();
      return queued(ctx, write.id);
    },
    async read(userId, id) {
      const write = waiting.get(id);
      if (write) return write.actor.id === userId ? { id, status: "queued" } : undefined;
      const outcome = outcomes.get(id);
      if (outcome?.userId === userId) return present(outcome);
      return readElsewhere(redis, userId, id);
    },
    families: () => [
      {
        name: "signalbox_queued_writes",
        help: "Writes that wait here for the database.",
        type: "gauge",
        samples: [{ value: waiting.size }],
      },
      {
        name: "signalbox_queued_writes_done_total",
        help: "Writes that waited here and were done or refused.",
        type: "counter",
        samples: [{ value: dones }],
      },
    ],
    async close() {
      isClosed = true;
      left.abort();
      await running;
      await journal.close();
      lock.release();
    },
  };
}

const stateKey = (userId: string, id: string) => `writes:${userId}:${id}`;

export async function readElsewhere(
  redis: Redis,
  userId: string,
  id: string,
): Promise<WriteState | undefined> {
  const kept = await redis.get(stateKey(userId, id)).catch(() => null);
  return kept === null ? undefined : (JSON.parse(kept) as WriteState);
}

const present = ({ id, status, result, problem }: Outcome): WriteState => ({
  id,
  status,
  ...(result === undefined ? {} : { result }),
  ...(problem ? { problem } : {}),
});

/** No success: it says that nothing has happened yet, and where to look. */
function queued({ answer }: Ctx, id: string): AppError {
  answer.headers.Location = `/writes/${id}`;
  return new AppError("queued", "the database is away; this was written down and is done once it is back");
}

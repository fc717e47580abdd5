// From the database's log to the bus: takes whole transactions, publishes them, and only then confirms them.
// One relay works at a time; others wait for its lock and go on within a second of its end.

import { pause } from "@signalbox/core/bus/backoff";
import { encodeRow, type OutboxText } from "@signalbox/core/bus/envelope";
import { busKeys, defaultPartitions } from "@signalbox/core/bus/keys";
import { partitionOf } from "@signalbox/core/bus/partition";
import { beginning, streamId } from "@signalbox/core/bus/stream-id";
import type { Logger } from "@signalbox/core/log";
import { locks } from "@signalbox/db/locks";
import {
  connectDirect,
  connectReplication,
  type DirectClient,
  identifySystem,
  type LogReader,
  type LogTransaction,
  parseLsn,
  type ReplicationClient,
  readLog,
} from "@signalbox/db/replication";
import { createVisibility } from "./commit-visibility.ts";
import { createOutlet, type RowEntry, readDebt } from "./relay-outlet.ts";
import { ensureSlot, freeSlot, markGapFilled, readSlotLag, slotName } from "./relay-slot.ts";

type RelayStatus = {
  state: "starting" | "standby" | "active" | "stopped";
  redisUp: boolean;
  /** Log written by the database and not yet confirmed. */
  bytesBehind: number;
  /** Age of the oldest transaction that is read and not yet published. */
  secondsBehind: number;
  walStatus: string;
  /** How much more log Postgres keeps for us; undefined: without a limit, so a relay that stays away fills its disk. */
  safeBytes: number | undefined;
  published: number;
  republished: number;
  lastError: string | undefined;
};

export type Relay = { status(): RelayStatus; close(): Promise<void> };

export type RelayOptions = {
  /** Past any pooler. */
  databaseUrl: string;
  redisUrl: string;
  log: Logger;
  prefix?: string;
  partitions?: number;
};

const publication = "signalbox_outbox";
const batchRows = 1_000;
const confirmEveryMs = 200;
const lookEveryMs = 1_000;
const fullQueueRows = 20_000;

export function startRelay(options: RelayOptions): Relay {
  const { log } = options;
  const stop = new AbortController();
  const status: RelayStatus = {
    state: "starting",
    redisUp: false,
    bytesBehind: 0,
    secondsBehind: 0,
    walStatus: "unknown",
    safeBytes: undefined,
    published: 0,
    republished: 0,
    lastError: undefined,
  };
  let look = () => {};

  const running = (async () => {
    for (let attempt = 0; !stop.signal.aborted; attempt++) {
      const began = Date.now();
      try {
        await runSession(options, status, stop.signal, (freshLook) => {
          look = freshLook;
        });
      } catch (error) {
        if (stop.signal.aborted) break;
        status.lastError = error instanceof Error ? error.message : String(error);
        log.warn({ error }, "the relay lost its session; starting another");
      }
      status.state = "starting";
      if (Date.now() - began > 10_000) attempt = 0;
      await pause(Math.min(2_000, 100 * 2 ** Math.min(attempt, 5)) * (0.5 + Math.random() / 2), stop.signal);
    }
    status.state = "stopped";
  })();

  return {
    status() {
      look();
      return { ...status };
    },
    async close() {
      stop.abort();
      await running;
    },
  };
}

async function runSession(
  options: RelayOptions,
  status: RelayStatus,
  stopped: AbortSignal,
  onLook: (look: () => void) => void,
): Promise<void> {
  const { databaseUrl, redisUrl, log, prefix, partitions = defaultPartitions } = options;
  const over = new AbortController();
  const end = (reason: Error) => over.abort(reason);
  const onStop = () => end(new Error("stopping"));
  stopped.addEventListener("abort", onStop);
  const control = await connectDirect(databaseUrl, "signalbox relay");
  control.once("end", () => end(new Error("the connection to the database was closed")));
  let replication: ReplicationClient | undefined;
  let reader: LogReader | undefined;
  let outlet: ReturnType<typeof createOutlet> | undefined;
  const timers: NodeJS.Timeout[] = [];
  try {
    status.state = "standby";
    await holdLock(control, over.signal);

    replication = await connectReplication(databaseUrl, "signalbox relay");
    const { systemId, timeline } = await identifySystem(replication);
    const identity = await control.query(
      "select current_database() as name, oid::text as oid from pg_database where datname = current_database()",
    );
    const { name, oid } = identity.rows[0] as { name: string; oid: string };
    // A restored or promoted database writes another history, so its events go into other streams.
    const epoch = `${systemId}.${timeline}.${oid}`;
    const slot = slotName(name);
    const keys = busKeys(prefix);
    const progress = await readProgress(control, epoch, partitions, (partition) =>
      keys.stream(partition, epoch),
    );
    let { safeMs } = progress;
    outlet = createOutlet({
      databaseUrl,
      redisUrl,
      log,
      keys,
      epoch,
      partitions,
      recorded: progress.recorded,
      debt: await readDebt(control, epoch),
      safeAt: () => safeMs,
      signal: over.signal,
    });
    const bus = outlet;
    // Redis first: a new slot's snapshot holds back the database's cleaning until the gap is filled.
    await bus.verify(false);
    const gap = await ensureSlot(control, replication, slot);
    if (gap) {
      await bus.fillGap(gap);
      await markGapFilled(control, slot, gap.from);
    }

    const visibility = createVisibility(control);
    const queue: LogTransaction[] = [];
    let queuedRows = 0;
    let paused = false;
    let wake = () => {};
    const enqueue = (transaction: LogTransaction) => {
      queue.push(transaction);
      queuedRows += transaction.rows.length;
      if (queuedRows > fullQueueRows && !paused) {
        paused = true;
        reader?.pause();
      }
      wake();
    };
    let published = 0n;
    const pass = (lsn: bigint) => {
      if (lsn > published) published = lsn;
      bus.passed(published);
    };
    reader = await startReading(control, replication, slot, {
      transaction: enqueue,
      // The database says so after every commit, most of which are nobody's news: where nothing is being published it is only noted.
      reached(lsn) {
        if (queue.length === 0) pass(lsn);
        else enqueue({ endLsn: lsn, committedAt: Date.now(), xid: 0, rows: [] });
      },
    });
    const log$ = reader;
    log$.ended.then((error) => end(error ?? new Error("the database ended the stream")));
    status.state = "active";
    log.info({ slot, epoch }, "the relay is at work");

    let confirmed = 0n;
    let unsaved = false;
    const samples: { atMs: number; lsn: bigint }[] = [];

    const everyOnce = (ms: number, work: () => Promise<void>) => {
      let busy = false;
      timers.push(
        setInterval(() => {
          if (busy || over.signal.aborted) return;
          busy = true;
          work()
            .catch(end)
            .finally(() => {
              busy = false;
            });
        }, ms),
      );
    };

    // Postgres may forget what is confirmed, so how far Redis was told is written down before.
    const confirm = async () => {
      if (published <= confirmed) return;
      const upTo = published;
      if (unsaved) {
        unsaved = false;
        await saveProgress(
          control,
          epoch,
          upTo,
          safeMs,
          (partition) => keys.stream(partition, epoch),
          bus.tops(),
        );
      }
      confirmed = upTo;
      log$.confirm(upTo);
    };
    everyOnce(confirmEveryMs, confirm);

    let looks = 0;
    everyOnce(lookEveryMs, async () => {
      const sample = await sampleInFlight(control);
      samples.push(sample);
      while (samples[0] && samples[0].lsn <= published) safeMs = Math.max(safeMs, samples.shift()!.atMs);
      if (samples.length > 120) samples.splice(1, 1);
      // While nothing happens, it is still written down now and then, so that a sweep would have little to read.
      if (++looks % 15 === 0) unsaved = true;
      if (looks % 2 === 1) {
        const lag = await readSlotLag(control, slot);
        status.bytesBehind = lag?.bytes ?? 0;
        status.walStatus = lag?.walStatus ?? "missing";
        status.safeBytes = lag?.safeBytes;
      }
    });
    onLook(() => {
      status.redisUp = bus.isUp;
      status.republished = bus.republished;
      const oldest = queue[0];
      status.secondsBehind = oldest ? Math.max(0, (Date.now() - oldest.committedAt) / 1000) : 0;
    });

    let verifiedAt = Date.now();
    let verifications = 0;
    while (!over.signal.aborted) {
      if (queue.length === 0) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, lookEveryMs);
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
          over.signal.addEventListener("abort", wake, { once: true });
        });
        over.signal.removeEventListener("abort", wake);
        wake = () => {};
      }
      if (over.signal.aborted) break;
      if (Date.now() - verifiedAt > lookEveryMs) {
        await bus.verify(++verifications % 3 === 0);
        verifiedAt = Date.now();
      }
      const parts = new Map<number, RowEntry[]>();
      let rows = 0;
      let taken = 0;
      for (const transaction of queue) {
        if (rows > 0 && rows + transaction.rows.length > batchRows) break;
        taken += 1;
        rows += transaction.rows.length;
        addEntries(parts, transaction, partitions, safeMs);
      }
      if (taken === 0) continue;
      if (parts.size > 0) {
        await visibility.reached(queue.slice(0, taken), over.signal);
        if (over.signal.aborted) break;
        await bus.append(parts);
        unsaved = true;
        status.published += rows;
      }
      pass(queue[taken - 1]!.endLsn);
      queue.splice(0, taken);
      queuedRows -= rows;
      if (paused && queuedRows < fullQueueRows / 4) {
        paused = false;
        log$.resume();
      }
    }
    await confirm().catch(() => {});
    if (!stopped.aborted) throw over.signal.reason;
  } finally {
    stopped.removeEventListener("abort", onStop);
    over.abort(new Error("the session is over"));
    for (const timer of timers) clearInterval(timer);
    onLook(() => {});
    outlet?.close();
    status.redisUp = false;
    await reader?.close();
    await replication?.end().catch(() => {});
    await control.end().catch(() => {});
  }
}

function addEntries(
  parts: Map<number, RowEntry[]>,
  { endLsn, rows }: LogTransaction,
  partitions: number,
  safeAt: number,
): void {
  for (const [n, row] of rows.entries()) {
    const text = row as OutboxText;
    const partition = partitionOf(text.key, partitions);
    const entry = { id: streamId(endLsn, n), rowId: text.id, text: encodeRow(text), safeAt };
    const part = parts.get(partition);
    if (part) part.push(entry);
    else parts.set(partition, [entry]);
  }
}

/** Asked for again and again rather than waited for: a waiting statement would hold back the database's cleaning. */
async function holdLock(control: DirectClient, signal: AbortSignal): Promise<void> {
  for (;;) {
    signal.throwIfAborted();
    const { rows } = await control.query("select pg_try_advisory_lock($1) as held", [locks.relay]);
    if ((rows[0] as { held: boolean }).held) return;
    await pause(500, signal);
  }
}

async function startReading(
  control: DirectClient,
  replication: ReplicationClient,
  slot: string,
  handlers: Parameters<typeof readLog>[1]["handlers"],
): Promise<LogReader> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await readLog(replication, { slot, publication, handlers });
    } catch (error) {
      const inUse = error instanceof Error && "code" in error && error.code === "55006";
      if (!inUse || attempt > 40) throw error;
      if (attempt === 5) await freeSlot(control, slot);
      await pause(100);
    }
  }
}

async function readProgress(
  control: DirectClient,
  epoch: string,
  partitions: number,
  streamOf: (partition: number) => string,
): Promise<{ recorded: string[]; safeMs: number }> {
  const { rows } = await control.query(
    "select stream, last_id, extract(epoch from safe_at) * 1000 as safe_ms from relay_progress",
  );
  const all = rows as { stream: string; last_id: string; safe_ms: string | null }[];
  const byStream = new Map(all.map((row) => [row.stream, row.last_id]));
  const ofEpoch = all.find((row) => row.stream === epoch);
  return {
    recorded: Array.from({ length: partitions }, (_, n) => byStream.get(streamOf(n)) ?? beginning),
    // A new epoch goes on from where the one before was safe.
    safeMs: ofEpoch
      ? Number(ofEpoch.safe_ms ?? 0)
      : Math.max(0, ...all.map((row) => Number(row.safe_ms ?? 0))),
  };
}

async function saveProgress(
  control: DirectClient,
  epoch: string,
  published: bigint,
  safeMs: number,
  streamOf: (partition: number) => string,
  tops: readonly string[],
): Promise<void> {
  const streams = [epoch, ...tops.map((_, partition) => streamOf(partition))];
  await control.query(
    `insert into relay_progress (stream, last_id, safe_at)
     select stream, last_id, to_timestamp($3::float8 / 1000) from unnest($1::text[], $2::text[]) as t (stream, last_id)
     on conflict (stream) do update
     set last_id = excluded.last_id, safe_at = excluded.safe_at, updated_at = now()`,
    [streams, [`${published}-0`, ...tops], safeMs],
  );
}

/**
 * An instant before which no transaction that is still open began, and then the end of the log: once everything up to
 * that end is published, so is every row of a transaction begun before the instant.
 */
async function sampleInFlight(control: DirectClient): Promise<{ atMs: number; lsn: bigint }> {
  const { rows } = await control.query(
    `select extract(epoch from least(
       clock_timestamp(),
       (select min(xact_start) from pg_stat_activity
        where pid <> pg_backend_pid() and backend_type not in ('autovacuum worker', 'walsender')),
       (select min(prepared) - interval '1 minute' from pg_prepared_xacts)
     )) * 1000 as at_ms`,
  );
  const end = await control.query("select pg_current_wal_insert_lsn() as lsn");
  // Instants in the table are rounded to the millisecond, and clocks are set back by a little now and then.
  const atMs = Math.floor(Number((rows[0] as { at_ms: string }).at_ms)) - 5_000;
  return { atMs, lsn: parseLsn((end.rows[0] as { lsn: string }).lsn) };
}

// The database's log, kept beside the backups as it is written: full files compressed, the open one flushed every second. With it
// a restore goes to any instant since the oldest backup.
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { type Position, segmentStart, streamWal, walFileName } from "@signalbox/db/physical";
import {
  connectDirect,
  connectReplication,
  identifySystem,
  parseLsn,
  type ReplicationClient,
} from "@signalbox/db/replication";
import { readJson, writeWhole } from "../files.ts";
import { packSegment, type Segments, segmentWriter } from "./segments.ts";

const slot = "signalbox_archive";
const flushMs = 1_000;
const longestPauseMs = 10_000;

type State = { systemId: string; timeline: number; segmentBytes: number };

export const logFolder = (folder: string) => join(folder, "wal");

export function keepLog(options: {
  databaseUrl: string;
  folder: string;
  /** A second folder, which may be away. */
  copy?: string;
  signal: AbortSignal;
  /** The log begins anew or has a hole: only a backup taken from now on can go on with it. */
  begins(): void;
  warn(text: string, error: unknown): void;
}) {
  const { databaseUrl, folder, copy, signal, begins, warn } = options;
  const place = logFolder(folder);
  mkdirSync(place, { recursive: true, mode: 0o750 });
  const stateFile = join(place, "state.json");
  const status = { isStreaming: false, heardAt: 0, reached: 0n, flushed: 0n, copyFaults: 0 };

  async function run(): Promise<void> {
    for (let attempt = 0; !signal.aborted; ) {
      const began = Date.now();
      try {
        await stream();
      } catch (error) {
        if (!signal.aborted) warn("the database's log is not being kept; trying again", error);
      }
      status.isStreaming = false;
      attempt = Date.now() - began > 60_000 ? 0 : attempt + 1;
      await pause(Math.min(longestPauseMs, 250 * 2 ** attempt), undefined, { signal }).catch(() => {});
    }
  }

  async function stream(): Promise<void> {
    const client = await connectReplication(databaseUrl, "signalbox log archive");
    const writers: Segments[] = [];
    let timer: NodeJS.Timeout | undefined;
    try {
      const { systemId, timeline } = await identifySystem(client);
      const segmentBytes = await readSegmentBytes(databaseUrl);
      const state: State = { systemId, timeline: Number(timeline), segmentBytes };
      const restart = await ensureSlot(client);
      const from = resumeAt(state, restart);
      writeWhole(stateFile, JSON.stringify(state));
      writers.push(writerIn(place, state));
      if (copy) writers.push(...copyWriter(copy, state));
      const running = await streamWal(client, {
        slot,
        from,
        data(lsn, bytes) {
          writers[0]!.write(lsn, bytes);
          status.heardAt = Date.now();
          // A second copy that is away stops neither the first one nor the database.
          for (const second of writers.slice(1)) tolerant(() => second.write(lsn, bytes), writers);
        },
        flushed: () => writers[0]!.flushed,
        reached(lsn) {
          status.reached = lsn;
          status.heardAt = Date.now();
        },
      });
      status.isStreaming = true;
      timer = setInterval(() => {
        writers[0]!.flush();
        status.flushed = writers[0]!.flushed;
        for (const second of writers.slice(1)) tolerant(() => second.flush(), writers);
      }, flushMs);
      const stop = () => void running.close();
      signal.addEventListener("abort", stop, { once: true });
      const error = await running.ended;
      signal.removeEventListener("abort", stop);
      if (error) throw error;
    } catch (error) {
      // The server has thrown away what would come next: another slot, and a hole before it.
      if ((error as { code?: string }).code === "58P01" || (error as { code?: string }).code === "55000") {
        await dropSlot();
        rmSync(stateFile, { force: true });
      }
      throw error;
    } finally {
      clearInterval(timer);
      for (const writer of writers) tolerant(() => writer.close(), []);
      await client.end().catch(() => {});
    }
  }

  function resumeAt(state: State, restart: bigint): Position {
    const before = readJson<State>(stateFile);
    const isSame = before?.systemId === state.systemId && before.timeline === state.timeline;
    const last = isSame ? lastSegment(place, state) : undefined;
    const first = segmentStart(restart, state.segmentBytes);
    if (last !== undefined) {
      const next = BigInt(last.index) * BigInt(state.segmentBytes);
      // What the slot let go of is on this disk; beyond it there may be nothing missing.
      if (next >= first) return { lsn: next, timeline: state.timeline };
    }
    begins();
    return { lsn: first, timeline: state.timeline };
  }

  function writerIn(target: string, { timeline, segmentBytes }: State): Segments {
    return segmentWriter(target, {
      timeline,
      segmentBytes,
      full(name) {
        const path = join(target, name);
        writeFileSync(`${path}.zst.new`, packSegment(readFileSync(path)), { mode: 0o640, flush: true });
        renameSync(`${path}.zst.new`, `${path}.zst`);
        rmSync(path);
      },
    });
  }

  function copyWriter(target: string, state: State): Segments[] {
    try {
      const second = logFolder(target);
      mkdirSync(second, { recursive: true, mode: 0o750 });
      return [writerIn(second, state)];
    } catch (error) {
      status.copyFaults += 1;
      warn("the second copy of the log can not be written", error);
      return [];
    }
  }

  function tolerant(work: () => void, writers: Segments[]): void {
    try {
      work();
    } catch (error) {
      status.copyFaults += 1;
      writers.splice(1);
      warn("the second copy of the log can not be written; going on without it until the next start", error);
    }
  }

  async function dropSlot(): Promise<void> {
    const direct = await connectDirect(databaseUrl, "signalbox log archive").catch(() => undefined);
    await direct?.query("select pg_drop_replication_slot($1)", [slot]).catch(() => {});
    await direct?.end().catch(() => {});
  }

  return { done: run(), status };
}

async function ensureSlot(client: ReplicationClient): Promise<bigint> {
  const { rows } = await client.query(
    `select restart_lsn, wal_status from pg_replication_slots where slot_name = '${slot}'`,
  );
  const [found] = rows as { restart_lsn: string | null; wal_status: string | null }[];
  if (found?.restart_lsn && found.wal_status !== "lost") return parseLsn(found.restart_lsn);
  if (found) await client.query(`DROP_REPLICATION_SLOT "${slot}"`);
  await client.query(`CREATE_REPLICATION_SLOT "${slot}" PHYSICAL (RESERVE_WAL true)`);
  return ensureSlot(client);
}

async function readSegmentBytes(databaseUrl: string): Promise<number> {
  const direct = await connectDirect(databaseUrl, "signalbox log archive");
  try {
    const { rows } = await direct.query(
      "select setting::int as bytes from pg_settings where name = 'wal_segment_size'",
    );
    return (rows as { bytes: number }[])[0]!.bytes;
  } finally {
    await direct.end().catch(() => {});
  }
}

/** Where the log goes on: after the last full file, or at the beginning of the open one. */
function lastSegment(folder: string, { timeline, segmentBytes }: State): { index: number } | undefined {
  const prefix = timeline.toString(16).toUpperCase().padStart(8, "0");
  const names = readdirSync(folder)
    .filter((name) => name.startsWith(prefix) && /^[0-9A-F]{24}(\.zst)?$/.test(name))
    .sort();
  const last = names.at(-1)?.slice(0, 24);
  if (last === undefined) return undefined;
  const perId = 2 ** 32 / segmentBytes;
  return { index: Number.parseInt(last.slice(8, 16), 16) * perId + Number.parseInt(last.slice(16), 16) + 1 };
}

/** The file that a backup's beginning is in. */
export const segmentOf = (start: string, timeline: number, segmentBytes: number): string =>
  walFileName({ lsn: parseLsn(start), timeline }, segmentBytes);

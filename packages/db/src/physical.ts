// Copies a whole database server over its replication protocol: the files as they are, and the log that makes them
// consistent. Needs neither Postgres' own tools nor its disk, so a laptop, a container and a cluster do the same.

import type pg from "pg";
import { formatLsn, parseLsn, type ReplicationClient } from "./replication.ts";
import { type ReplicationStream, startReplication, type Wire } from "./replication-stream.ts";

export type Position = { lsn: bigint; timeline: number };

/**
 * Sends the data folder as one tar. `data` answers false where it wants a rest; then nothing is read until `rested`.
 * What `data` is given is its own.
 */
export function baseBackup(
  client: ReplicationClient,
  handlers: {
    began(start: Position): void;
    data(bytes: Buffer): boolean;
    rested(resume: () => void): void;
    progress?(bytes: number): void;
  },
): Promise<{ start: Position; end: Position }> {
  return new Promise((resolve, reject) => {
    const rows: string[][] = [];
    let failure: Error | undefined;
    let start: Position | undefined;
    let isPaused = false;
    const positionOf = ([lsn = "", timeline = ""]: string[]): Position => ({
      lsn: parseLsn(lsn),
      timeline: Number(timeline),
    });
    const query = {
      submit(connection: pg.Connection) {
        (connection as unknown as Wire).query(
          "BASE_BACKUP ( LABEL 'signalbox', CHECKPOINT 'fast', WAL false, PROGRESS true, MANIFEST 'no', WAIT false )",
        );
      },
      handleRowDescription() {},
      handleDataRow({ fields }: { fields: (string | null)[] }) {
        rows.push(fields.map((field) => field ?? ""));
        // First where it began, then a row a tablespace, at the end where it ended.
        if (rows.length > 1) return;
        start = positionOf(rows[0]!);
        handlers.began(start);
      },
      handleCopyData({ chunk }: { chunk: Buffer }, connection: unknown) {
        const { stream } = connection as Wire;
        const kind = String.fromCharCode(chunk[0]!);
        if (kind === "p") handlers.progress?.(Number(chunk.readBigUInt64BE(1)));
        if (kind !== "d") return;
        // The parser writes over its buffer.
        if (handlers.data(Buffer.from(chunk.subarray(1))) || isPaused) return;
        isPaused = true;
        stream.pause();
        handlers.rested(() => {
          isPaused = false;
          stream.resume();
        });
      },
      handleCommandComplete() {},
      handleError(error: Error) {
        failure ??= error;
        reject(error);
      },
      handleReadyForQuery() {
        if (failure) return;
        // start, one tablespace (the data folder itself), end
        if (!start || rows.length !== 3)
          reject(
            new Error(
              "this database keeps data in tablespaces of its own, which a backup does not hold: move them to pg_default",
            ),
          );
        else resolve({ start, end: positionOf(rows[2]!) });
      },
      handleCopyInResponse() {},
      handleEmptyQuery() {},
    };
    client.once("end", () => reject(new Error("the connection to the database was closed")));
    client.query(query as unknown as pg.Submittable);
  });
}

export type WalStream = Pick<ReplicationStream, "ended" | "close">;

/** The log from a position on, as it is written. `flushed` is what the slot may let go of. */
export function streamWal(
  client: ReplicationClient,
  options: {
    slot: string;
    from: Position;
    data(lsn: bigint, bytes: Buffer): void;
    flushed(): bigint;
    /** How far the server had written, also where nothing came. */
    reached?(lsn: bigint): void;
  },
): Promise<WalStream> {
  const { slot, from, data, flushed, reached } = options;
  return startReplication(
    client,
    `START_REPLICATION SLOT "${slot}" PHYSICAL ${formatLsn(from.lsn)} TIMELINE ${from.timeline}`,
    {
      data(lsn, bytes, serverLsn) {
        data(lsn, bytes);
        reached?.(serverLsn);
      },
      alive: (lsn) => reached?.(lsn),
      done: flushed,
    },
  );
}

/** The file that holds a position, as Postgres names it. */
export function walFileName({ lsn, timeline }: Position, segmentBytes: number): string {
  const size = BigInt(segmentBytes);
  const segment = lsn / size;
  const perId = 0x1_0000_0000n / size;
  const hex = (value: bigint) => value.toString(16).toUpperCase().padStart(8, "0");
  return hex(BigInt(timeline)) + hex(segment / perId) + hex(segment % perId);
}

export const segmentStart = (lsn: bigint, segmentBytes: number): bigint => lsn - (lsn % BigInt(segmentBytes));

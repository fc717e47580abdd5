// Copies a whole database server over its replication protocol: the files as they are, and the log that makes them
// consistent. Needs neither Postgres' own tools nor its disk, so a laptop, a container and a cluster do the same.

import type pg from "pg";
import { formatLsn, parseLsn, type ReplicationClient } from "./replication.ts";

// What of pg's connection this file needs and its types do not name.
type Wire = {
  stream: import("node:net").Socket;
  query(text: string): void;
  sendCopyFromChunk(chunk: Buffer): void;
  once(event: "replicationStart", listener: () => void): void;
};

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

export type WalStream = {
  /** Resolves when the stream is over, with the reason where there was one. */
  readonly ended: Promise<Error | undefined>;
  close(): Promise<void>;
};

// Postgres counts microseconds from the year 2000.
const epochOf2000Ms = 946_684_800_000;

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
  let timer: NodeJS.Timeout | undefined;
  let finish: (error?: Error) => void = () => {};
  const ended = new Promise<Error | undefined>((resolve) => {
    finish = (error) => {
      clearInterval(timer);
      resolve(error);
    };
  });
  return new Promise((resolve, reject) => {
    const fail = (error: Error) => {
      finish(error);
      reject(error);
    };
    const query = {
      submit(connection: pg.Connection) {
        const wire = connection as unknown as Wire;
        wire.once("replicationStart", () => {
          timer = setInterval(() => report(wire, true), 1_000);
          resolve({
            ended,
            async close() {
              report(wire);
              finish();
              await client.end().catch(() => {});
            },
          });
        });
        wire.query(
          `START_REPLICATION SLOT "${slot}" PHYSICAL ${formatLsn(from.lsn)} TIMELINE ${from.timeline}`,
        );
      },
      handleCopyData({ chunk }: { chunk: Buffer }, connection: unknown) {
        try {
          if (chunk[0] === 0x77) {
            data(chunk.readBigUInt64BE(1), chunk.subarray(25));
            reached?.(chunk.readBigUInt64BE(9));
          } else if (chunk[0] === 0x6b) {
            reached?.(chunk.readBigUInt64BE(1));
            if (chunk[17] === 1) report(connection as Wire);
          }
        } catch (error) {
          finish(error as Error);
          void client.end().catch(() => {});
        }
      },
      handleError: fail,
      handleReadyForQuery: () => fail(new Error("the server ended the log's stream")),
      handleCommandComplete() {},
      handleCopyInResponse() {},
      handleRowDescription() {},
      handleDataRow() {},
      handleEmptyQuery() {},
    };

    function report(wire: Wire, answer = false) {
      if (!wire.stream.writable) return;
      const message = Buffer.alloc(34);
      const lsn = flushed();
      message[0] = 0x72;
      message.writeBigUInt64BE(lsn, 1);
      message.writeBigUInt64BE(lsn, 9);
      message.writeBigUInt64BE(lsn, 17);
      message.writeBigInt64BE(BigInt(Date.now() - epochOf2000Ms) * 1000n, 25);
      message[33] = answer ? 1 : 0;
      wire.sendCopyFromChunk(message);
    }

    client.once("end", () => fail(new Error("the connection to the database's log was closed")));
    client.query(query as unknown as pg.Submittable);
  });
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

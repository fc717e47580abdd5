// A stream of the database's log, as pg gives it: a query that does not end. Whoever reads it says what to do with what comes, and
// how far it needs the log no more.

import type { Socket } from "node:net";
import type pg from "pg";

/** What of pg's connection is needed and its types do not name. */
export type Wire = {
  stream: Socket;
  query(text: string): void;
  sendCopyFromChunk(chunk: Buffer): void;
  once(event: "replicationStart", listener: () => void): void;
};

// Postgres counts microseconds from the year 2000.
export const epochOf2000Ms = 946_684_800_000;

export type ReplicationStream = {
  /** Resolves when the stream is over, with the reason where there was one. */
  readonly ended: Promise<Error | undefined>;
  /** Tells the server at once how far `done` is. */
  report(): void;
  /** Stops taking from the socket, so that a slow reader does not fill its memory. */
  pause(): void;
  resume(): void;
  close(): Promise<void>;
};

/** Rejects where it does not begin, as where the slot is in use (55006) or gone (42704). */
export function startReplication(
  client: pg.Client,
  command: string,
  handlers: {
    data(lsn: bigint, bytes: Buffer, serverLsn: bigint): void;
    /** How far the server has sent, also where nothing came. */
    alive(lsn: bigint): void;
    /** What the slot may let go of. */
    done(): bigint;
  },
): Promise<ReplicationStream> {
  let timer: NodeJS.Timeout | undefined;
  let isClosing = false;
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
    // pg hands every message of a running query to the query object.
    const query = {
      submit(connection: pg.Connection) {
        const wire = connection as unknown as Wire;
        wire.once("replicationStart", () => {
          // An answer is asked for, so that the position moves on while nothing happens.
          timer = setInterval(() => report(wire, true), 1_000);
          resolve({
            ended,
            report: () => report(wire),
            pause: () => void wire.stream.pause(),
            resume: () => void wire.stream.resume(),
            async close() {
              report(wire);
              isClosing = true;
              await client.end().catch(() => {});
              finish();
            },
          });
        });
        wire.query(command);
      },
      handleCopyData({ chunk }: { chunk: Buffer }, connection: unknown) {
        try {
          if (chunk[0] === 0x77)
            handlers.data(chunk.readBigUInt64BE(1), chunk.subarray(25), chunk.readBigUInt64BE(9));
          else if (chunk[0] === 0x6b) {
            handlers.alive(chunk.readBigUInt64BE(1));
            if (chunk[17] === 1) report(connection as Wire);
          }
        } catch (error) {
          finish(error as Error);
          void client.end().catch(() => {});
        }
      },
      handleError: fail,
      handleReadyForQuery() {
        if (!isClosing) fail(new Error("the server ended the log's stream"));
      },
      handleCommandComplete() {},
      handleCopyInResponse() {},
      handleRowDescription() {},
      handleDataRow() {},
      handleEmptyQuery() {},
    };

    function report(wire: Wire, answer = false) {
      if (!wire.stream.writable) return;
      const message = Buffer.alloc(34);
      const lsn = handlers.done();
      message[0] = 0x72;
      message.writeBigUInt64BE(lsn, 1);
      message.writeBigUInt64BE(lsn, 9);
      message.writeBigUInt64BE(lsn, 17);
      message.writeBigInt64BE(BigInt(Date.now() - epochOf2000Ms) * 1000n, 25);
      message[33] = answer ? 1 : 0;
      wire.sendCopyFromChunk(message);
    }

    client.once("end", () =>
      isClosing ? finish() : fail(new Error("the connection to the database's log was closed")),
    );
    client.query(query as unknown as pg.Submittable);
  });
}

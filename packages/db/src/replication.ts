// Reads the outbox from the database's log: a durable slot, decoded by pgoutput, confirmed by the caller alone.
// What is not confirmed comes again after a reconnect; what is confirmed never does.

import pg from "pg";

export type LogRow = Record<string, string | null>;

export type LogTransaction = {
  /** End of the commit record: the position to confirm, and larger than that of every earlier commit. */
  endLsn: bigint;
  committedAt: number;
  /** The number of the transaction, its lower 32 bits. */
  xid: number;
  rows: LogRow[];
};

export type LogHandlers = {
  transaction(transaction: LogTransaction): void;
  /** Everything up to here was sent; nothing of ours is in it beyond the transactions already given. */
  reached(lsn: bigint): void;
};

export const formatLsn = (lsn: bigint): string =>
  `${(lsn >> 32n).toString(16).toUpperCase()}/${(lsn & 0xffffffffn).toString(16).toUpperCase()}`;

export function parseLsn(text: string): bigint {
  const [high = "0", low = "0"] = text.split("/");
  return (BigInt(`0x${high}`) << 32n) | BigInt(`0x${low}`);
}

// Postgres counts microseconds from the year 2000.
const epochOf2000Ms = 946_684_800_000;

/** Turns pgoutput messages (protocol version 1) into transactions; keeps the tables' columns between them. */
export function logDecoder(handlers: LogHandlers) {
  const columnsOf = new Map<number, string[]>();
  let open: { xid: number; rows: LogRow[] } | undefined;

  function decode(message: Buffer): void {
    let at = 1;
    const skip = (bytes: number) => {
      at += bytes;
      return at - bytes;
    };
    const int16 = () => message.readUInt16BE(skip(2));
    const int32 = () => message.readUInt32BE(skip(4));
    const int64 = () => message.readBigUInt64BE(skip(8));
    const text = () => {
      const end = message.indexOf(0, at);
      const value = message.toString("utf8", at, end);
      at = end + 1;
      return value;
    };
    switch (String.fromCharCode(message[0]!)) {
      case "R": {
        const id = int32();
        text();
        text();
        at += 1;
        const names = Array.from({ length: int16() }, () => {
          at += 1;
          const name = text();
          at += 8;
          return name;
        });
        columnsOf.set(id, names);
        return;
      }
      case "B":
        at += 16;
        open = { xid: int32(), rows: [] };
        return;
      case "I": {
        const names = columnsOf.get(int32());
        if (!names || !open)
          throw new Error("the database's log holds a row before its table or transaction");
        at += 1;
        const count = int16();
        const row: LogRow = {};
        for (let column = 0; column < count; column++) {
          const kind = message[skip(1)]!;
          // t: text follows. n: null. u: unchanged and stored apart, which an insert never is.
          if (kind === 0x74) {
            const length = int32();
            row[names[column]!] = message.toString("utf8", at, at + length);
            at += length;
          } else row[names[column]!] = null;
        }
        open.rows.push(row);
        return;
      }
      case "C": {
        at += 9;
        const endLsn = int64();
        const committedAt = Number(int64() / 1000n) + epochOf2000Ms;
        const { xid = 0, rows = [] } = open ?? {};
        open = undefined;
        handlers.transaction({ endLsn, committedAt, xid, rows });
        return;
      }
      default:
        // Origins, types, truncations: nothing of the outbox.
        return;
    }
  }

  return {
    decode,
    /** A keepalive may come amid a large transaction; its position counts only between two. */
    get amidTransaction() {
      return open !== undefined;
    },
  };
}

export type LogReader = {
  confirm(lsn: bigint): void;
  /** Stops taking from the socket, so that a slow reader does not fill its memory. */
  pause(): void;
  resume(): void;
  close(): Promise<void>;
  /** Resolves when the stream is over, with the reason where there was one. */
  readonly ended: Promise<Error | undefined>;
};

export type ReplicationClient = pg.Client;

/** A connection for IDENTIFY_SYSTEM, slots and START_REPLICATION. Past a pooler: give the direct URL. */
export async function connectReplication(url: string, name: string): Promise<ReplicationClient> {
  const config = {
    connectionString: url,
    replication: "database",
    application_name: name,
    // Instants are decoded as text, so their form must not depend on the server's settings.
    options: "-c datestyle=ISO -c timezone=UTC -c wal_sender_timeout=20s",
    keepAlive: true,
    connectionTimeoutMillis: 5_000,
  };
  const client = new pg.Client(config);
  client.on("error", () => {});
  await client.connect();
  return client;
}

/** A connection of its own for locks and look-ups that belong to one session. */
export async function connectDirect(url: string, name: string): Promise<pg.Client> {
  const client = new pg.Client({
    connectionString: url,
    application_name: name,
    options: "-c datestyle=ISO -c timezone=UTC",
    keepAlive: true,
    connectionTimeoutMillis: 5_000,
    query_timeout: 60_000,
  });
  client.on("error", () => {});
  await client.connect();
  return client;
}

export type DirectClient = pg.Client;

export async function identifySystem(
  client: ReplicationClient,
): Promise<{ systemId: string; timeline: string; lsn: bigint }> {
  const { rows } = await client.query("IDENTIFY_SYSTEM");
  const [row] = rows as { systemid: string; timeline: number; xlogpos: string }[];
  return { systemId: row!.systemid, timeline: String(row!.timeline), lsn: parseLsn(row!.xlogpos) };
}

/** Starts the stream where the slot was confirmed. Rejects where the slot is in use (55006) or gone (42704). */
export function readLog(
  client: ReplicationClient,
  options: { slot: string; publication: string; handlers: LogHandlers },
): Promise<LogReader> {
  const { slot, publication, handlers } = options;
  const decoder = logDecoder(handlers);
  let confirmed = 0n;
  let timer: NodeJS.Timeout | undefined;
  let finish: (error?: Error) => void = () => {};
  const ended = new Promise<Error | undefined>((resolve) => {
    finish = resolve;
  });

  return new Promise((resolve, reject) => {
    // pg hands every message of a running query to the query object: this one is a query that does not end.
    const query = {
      submit(connection: pg.Connection) {
        const wire = connection as unknown as Wire;
        wire.once("replicationStart", () => {
          timer = setInterval(() => report(wire, true), 1_000);
          resolve({
            confirm(lsn) {
              if (lsn <= confirmed) return;
              confirmed = lsn;
              report(wire);
            },
            pause: () => void wire.stream.pause(),
            resume: () => void wire.stream.resume(),
            async close() {
              clearInterval(timer);
              report(wire);
              await client.end().catch(() => {});
              finish();
            },
            ended,
          });
        });
        wire.query(
          `START_REPLICATION SLOT "${slot}" LOGICAL 0/0 (proto_version '1', publication_names '"${publication}"')`,
        );
      },
      handleCopyData({ chunk }: { chunk: Buffer }, connection: unknown) {
        try {
          if (chunk[0] === 0x77) decoder.decode(chunk.subarray(25));
          else if (chunk[0] === 0x6b) {
            if (!decoder.amidTransaction) handlers.reached(chunk.readBigUInt64BE(1));
            if (chunk[17] === 1) report(connection as Wire);
          }
        } catch (error) {
          finish(error as Error);
        }
      },
      handleError(error: Error) {
        clearInterval(timer);
        reject(error);
        finish(error);
      },
      handleReadyForQuery() {
        clearInterval(timer);
        reject(new Error("the server ended the replication stream"));
        finish();
      },
      handleCommandComplete() {},
      handleCopyInResponse() {},
      handleRowDescription() {},
      handleDataRow() {},
      handleEmptyQuery() {},
    };

    // Says how far everything is published; an answer is asked for so that the position moves on while nothing happens.
    function report(wire: Wire, answer = false) {
      if (!wire.stream.writable) return;
      const message = Buffer.alloc(34);
      message[0] = 0x72;
      message.writeBigUInt64BE(confirmed, 1);
      message.writeBigUInt64BE(confirmed, 9);
      message.writeBigUInt64BE(confirmed, 17);
      message.writeBigInt64BE(BigInt(Date.now() - epochOf2000Ms) * 1000n, 25);
      message[33] = answer ? 1 : 0;
      wire.sendCopyFromChunk(message);
    }

    client.once("end", () => {
      clearInterval(timer);
      const error = new Error("the connection to the database's log was closed");
      reject(error);
      finish(error);
    });
    client.query(query as unknown as pg.Submittable);
  });
}

// What of pg's connection this file needs and its types do not name.
type Wire = {
  stream: import("node:net").Socket;
  query(text: string): void;
  sendCopyFromChunk(chunk: Buffer): void;
  once(event: "replicationStart", listener: () => void): void;
};

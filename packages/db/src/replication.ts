// Reads the outbox from the database's log: a durable slot, decoded by pgoutput, confirmed by the caller alone.
// What is not confirmed comes again after a reconnect; what is confirmed never does.

import pg from "pg";
import { epochOf2000Ms, type ReplicationStream, startReplication } from "./replication-stream.ts";

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

export type LogReader = Omit<ReplicationStream, "report"> & { confirm(lsn: bigint): void };

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
export async function readLog(
  client: ReplicationClient,
  options: { slot: string; publication: string; handlers: LogHandlers },
): Promise<LogReader> {
  const { slot, publication, handlers } = options;
  const decoder = logDecoder(handlers);
  let confirmed = 0n;
  const stream = await startReplication(
    client,
    `START_REPLICATION SLOT "${slot}" LOGICAL 0/0 (proto_version '1', publication_names '"${publication}"')`,
    {
      data: (_lsn, bytes) => decoder.decode(bytes),
      alive(lsn) {
        if (!decoder.amidTransaction) handlers.reached(lsn);
      },
      done: () => confirmed,
    },
  );
  return {
    ...stream,
    confirm(lsn) {
      if (lsn <= confirmed) return;
      confirmed = lsn;
      stream.report();
    },
  };
}

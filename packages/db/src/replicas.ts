// Copies of the database that are read from. How far each has come is asked ten times a second and kept in memory, so that choosing
// one costs nothing: it must have all that the reader has to see, and be no further behind than is allowed.

import { createGather } from "@signalbox/core/gather";
import type { Logger } from "@signalbox/core/log";
import type { Family } from "@signalbox/core/metrics";
import type { Dependencies } from "@signalbox/core/resilience/dependencies";
import { connectDatabase, type Database, type Db, type Sql } from "./client.ts";

export type Replica = {
  readonly name: string;
  readonly db: Db;
  readonly sql: Sql;
  /** Rejects when the copy stops answering: what was asked of it is then better asked elsewhere. */
  readonly lost: Promise<never>;
};

export type ReplicaFigures = {
  name: string;
  address: string;
  /** Null: it does not answer, or is no copy. */
  lagMs: number | null;
  /** What stands against reading from it; absent: nothing. */
  fault?: string;
};

export type Replicas = {
  /** How far the primary's log is once all that was committed before this call is in it. */
  position(): Promise<bigint>;
  /** A copy that has all up to there, the same for the same reader as long as it can be; undefined: none. */
  having(position: bigint, reader: string): Replica | undefined;
  list(): ReplicaFigures[];
  families(): Family[];
  close(): Promise<void>;
};

const everyMs = 100;
/** Without an answer for so long a copy counts as gone. */
const silentMs = 500;
/** A connection that says nothing for so long is given up for a new one. */
const stuckMs = 5_000;
/** Further back nobody asks how far behind a copy is. */
const maxMarks = 600;

type Seen = { copy: boolean; replayed: string | null; cluster: string };

export function openReplicas(options: {
  urls: readonly string[];
  name: string;
  poolSize: number;
  /** The one connection of the primary for what is asked again and again. */
  primary: Sql;
  dependencies: Dependencies;
  log: Logger;
  /** Further behind than this a copy is not read from; 0: none is. */
  maxLagMs: () => number;
}): Replicas {
  const { urls, name, poolSize, primary, dependencies, log, maxLagMs } = options;
  /** When the primary was first seen to be so far. */
  const marks: { at: number; position: bigint }[] = [];
  let cluster: string | undefined;
  let isClosed = false;

  const copies = urls.map((url, at) => {
    const part = `replica-${at + 1}` as const;
    const { breaker } = dependencies.open({
      name: part,
      title: `copy ${at + 1} of the database`,
      minCalls: 5,
    });
    const connect = () => connectDatabase(url, { name: `${name} ${part}`, poolSize, breaker });
    return {
      name: part,
      address: new URL(url).host,
      breaker,
      connect,
      database: connect(),
      replayed: -1n,
      seenAt: Number.NEGATIVE_INFINITY,
      fault: "it was not reached yet",
      loss: newLoss(),
    };
  });
  type Copy = (typeof copies)[number];

  const lagOf = ({ replayed }: Copy): number => {
    const ahead = marks.find(({ position }) => position > replayed);
    return ahead ? performance.now() - ahead.at : 0;
  };
  const faultOf = (copy: Copy): string | undefined =>
    copy.fault || (performance.now() - copy.seenAt > silentMs ? "it does not answer" : undefined);

  function lose(copy: Copy, fault: string): void {
    if (copy.fault === fault) return;
    const wasGood = copy.fault === "";
    copy.fault = fault;
    log.warn({ replica: copy.name, address: copy.address, fault }, "a copy of the database is not read from");
    if (!wasGood) return;
    copy.breaker.trip(fault);
    copy.loss.reject(new ReplicaLost(`${copy.name}: ${fault}`));
  }

  function take(copy: Copy, { copy: isCopy, replayed, cluster: its }: Seen): void {
    copy.seenAt = performance.now();
    // It may stand on its own feet by now: what it holds is another history.
    const isOther = cluster !== undefined && its !== cluster;
    if (!isCopy || replayed === null || isOther) {
      lose(copy, isOther ? "it is a copy of another database" : "it is no copy: it takes writes itself");
      return;
    }
    copy.replayed = BigInt(replayed);
    if (copy.fault === "") return;
    copy.fault = "";
    copy.loss = newLoss();
    copy.breaker.restore("it answers again");
    log.info({ replica: copy.name, address: copy.address }, "a copy of the database is read from");
  }

  async function look(copy: Copy): Promise<void> {
    const from = performance.now();
    let isAnswered = false;
    // What came while this process was late itself is read first.
    const timer = setTimeout(
      () =>
        setImmediate(() => {
          if (!isAnswered) lose(copy, "it does not answer");
        }),
      silentMs,
    );
    try {
      const [seen] = await within(
        stuckMs,
        copy.database.watch<[Seen]>`
          select pg_is_in_recovery() as copy, (pg_last_wal_replay_lsn() - '0/0')::text as replayed,
            (select system_identifier::text from pg_control_system()) as cluster`,
      );
      isAnswered = true;
      take(copy, seen);
    } catch (error) {
      if (isClosed) return;
      log.debug({ error, replica: copy.name }, "a copy of the database does not answer");
      lose(copy, "it does not answer");
      if (performance.now() - from < stuckMs) return;
      const old = copy.database;
      copy.database = copy.connect();
      void old.close().catch(() => {});
    } finally {
      clearTimeout(timer);
    }
  }

  async function lookAtPrimary(): Promise<void> {
    const at = performance.now();
    const [row] = await primary<{ position: string; cluster: string }[]>`
      select (pg_current_wal_lsn() - '0/0')::text as position,
        (select system_identifier::text from pg_control_system()) as cluster`;
    const position = BigInt(row!.position);
    cluster = row!.cluster;
    if (position > (marks.at(-1)?.position ?? -1n)) marks.push({ at, position });
    const behind = copies.reduce((least, { replayed }) => (replayed < least ? replayed : least), position);
    while (marks.length > 1 && (marks[1]!.position <= behind || marks.length > maxMarks)) marks.shift();
  }

  /** Again and again, each by itself, so that one that hangs holds up none. */
  function repeat(work: () => Promise<void>): NodeJS.Timeout {
    let isUnderWay = false;
    return setInterval(() => {
      if (isUnderWay) return;
      isUnderWay = true;
      work()
        .catch((error) => log.debug({ error }, "how far the database is could not be asked"))
        .finally(() => {
          isUnderWay = false;
        });
    }, everyMs).unref();
  }
  const timers = [repeat(lookAtPrimary), ...copies.map((copy) => repeat(() => look(copy)))];

  // What was inserted and not what was flushed: a commit that did not wait for its flush counts too.
  const position = createGather(async (asked: undefined[]) => {
    const [row] = await within(
      silentMs,
      primary<{ position: string }[]>`
      select (pg_current_wal_insert_lsn() - '0/0')::text as position`,
    );
    return asked.map(() => BigInt(row!.position));
  });

  const list = (): ReplicaFigures[] =>
    copies.map((copy) => {
      const fault = faultOf(copy);
      const figures = { name: copy.name, address: copy.address };
      return fault ? { ...figures, lagMs: null, fault } : { ...figures, lagMs: Math.round(lagOf(copy)) };
    });

  return {
    position: () => position(undefined),
    having(wanted, reader) {
      const most = maxLagMs();
      const good = copies.filter(
        (copy) =>
          copy.replayed >= wanted && !faultOf(copy) && copy.breaker.state !== "open" && lagOf(copy) < most,
      );
      // The same one for the same reader, so that he does not see what is older than what he saw.
      const [chosen] = good.sort((a, b) => weight(reader, b.name) - weight(reader, a.name));
      if (!chosen) return undefined;
      const { name, database, loss } = chosen;
      return { name, db: database.db, sql: database.sql, lost: loss.promise };
    },
    list,
    families() {
      const all = list();
      return [
        {
          name: "signalbox_replica_lag_seconds",
          help: "How far a copy of the database is behind, as this process sees it; absent while it does not answer.",
          type: "gauge",
          samples: all.flatMap(({ name: replica, lagMs }) =>
            lagMs === null ? [] : [{ labels: { replica }, value: lagMs / 1_000 }],
          ),
        },
        {
          name: "signalbox_replica_up",
          help: "1: a copy of the database answers.",
          type: "gauge",
          samples: all.map(({ name: replica, lagMs }) => ({ labels: { replica }, value: +(lagMs !== null) })),
        },
      ];
    },
    async close() {
      isClosed = true;
      for (const timer of timers) clearInterval(timer);
      await Promise.all(copies.map(({ database }: { database: Database }) => database.close()));
    },
  };
}

/** Not an error of anyone's: the same is asked of the primary. */
export class ReplicaLost extends Error {}

async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(`no answer within ${ms} ms`)), ms);
  try {
    return await Promise.race([work, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

function newLoss() {
  const loss = Promise.withResolvers<never>();
  loss.promise.catch(() => {});
  return loss;
}

/** Rendezvous hashing: when one copy goes, only its readers move. */
function weight(reader: string, copy: string): number {
  let hash = 0x811c9dc5;
  for (const text of [reader, copy])
    for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 15), 0x85ebca6b);
  return (hash ^ (hash >>> 13)) >>> 0;
}

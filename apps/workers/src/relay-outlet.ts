// The relay's side of Redis: appends in order, and fills from the outbox table whatever Redis forgot.
// At least once: what the table gives may also come through the log; ids and the list of swept rows keep that rare.

import { pause } from "@signalbox/core/bus/backoff";
import { type Link, link } from "@signalbox/core/bus/connection";
import { encodeRow, instantOf, type OutboxText } from "@signalbox/core/bus/envelope";
import type { BusKeys } from "@signalbox/core/bus/keys";
import { partitionOf } from "@signalbox/core/bus/partition";
import { beginning, idsAfter, isAfter, laterId } from "@signalbox/core/bus/stream-id";
import {
  type Entry,
  readTop,
  type StreamPublisher,
  StreamsForgot,
  type StreamTop,
  streamPublisher,
} from "@signalbox/core/bus/stream-publisher";
import type { Logger } from "@signalbox/core/log";
import type { Redis } from "@signalbox/core/redis";
import { connectDirect, type DirectClient, parseLsn } from "@signalbox/db/replication";
import type { SlotGap } from "./relay-slot.ts";

/** An entry that tells of an outbox row. */
export type RowEntry = Entry & { rowId: string };

export type Outlet = {
  /** Resolves once Redis holds all of it, however long that takes; rejects only when the session is over. */
  append(parts: Map<number, RowEntry[]>): Promise<void>;
  /** Looks whether Redis still holds what was published. */
  verify(thorough: boolean): Promise<void>;
  fillGap(gap: SlotGap): Promise<void>;
  tops(): readonly string[];
  /** The log has come this far: what a sweep published before is no longer expected from it. */
  passed(lsn: bigint): void;
  readonly isUp: boolean;
  readonly republished: number;
  close(): void;
};

const sweepPage = 1_000;
// Entries are not sorted by the time of their rows; a row this much older than the gap is not looked for in a stream.
const lookBackMs = 600_000;

export function createOutlet(options: {
  databaseUrl: string;
  redisUrl: string;
  log: Logger;
  keys: BusKeys;
  epoch: string;
  partitions: number;
  /** Last published ids as recorded in Postgres. */
  recorded: string[];
  /** From when on a sweep that did not end must be done again. */
  debt: number | undefined;
  safeAt: () => number;
  signal: AbortSignal;
}): Outlet {
  const { databaseUrl, redisUrl, log, keys, epoch, partitions, recorded, safeAt, signal } = options;
  const known = [...recorded];
  const swept = new Set<string>();
  let sweptUntil = 0n;
  let { debt } = options;
  let republished = 0;
  let current: { link: Link; publisher: StreamPublisher } | undefined;

  async function open() {
    if (current && !current.link.isBroken()) return current;
    current = undefined;
    const made = await link(redisUrl, { name: "signalbox relay" });
    try {
      const publisher = streamPublisher(made.redis, keys, epoch, known);
      const tops = await readTops(made);
      const hasForgotten = tops.some((top, partition) => isAfter(known[partition]!, top.id));
      if (hasForgotten || debt !== undefined) await fill(made, tops, undefined);
      else for (const [partition, top] of tops.entries()) known[partition] = top.id;
      await announceEpoch(made);
      current = { link: made, publisher };
      return current;
    } catch (error) {
      made.close();
      throw error;
    }
  }

  const readTops = ({ redis }: Link): Promise<StreamTop[]> =>
    Promise.all(
      Array.from({ length: partitions }, (_, partition) => readTop(redis, keys.stream(partition, epoch))),
    );

  async function announceEpoch({ redis }: Link) {
    if ((await redis.lpos(keys.epochs, epoch)) === null) await redis.rpush(keys.epochs, epoch);
  }

  /** Publishes the rows of the table that the streams miss, in the order in which they were written. */
  async function fill({ redis }: Link, tops: StreamTop[], gap: SlotGap | undefined) {
    const direct = await connectDirect(databaseUrl, "signalbox relay sweep");
    try {
      const handled = await readHandled(direct);
      const missing = new Map<number, Missing>();
      for (const [partition, top] of tops.entries()) {
        const isLost = isAfter(known[partition]!, top.id);
        if (!isLost && !gap && debt === undefined) continue;
        const sinceMs = Math.min(
          gap ? safeAt() : Number.POSITIVE_INFINITY,
          isLost ? (top.safeAt ?? handled(partition)) : Number.POSITIVE_INFINITY,
          debt ?? Number.POSITIVE_INFINITY,
        );
        const from = [top.id, gap ? `${gap.from}-0` : beginning].reduce(laterId, known[partition]!);
        missing.set(partition, {
          sinceMs,
          present: await readPresent(redis, partition, sinceMs),
          nextId: idsAfter(from),
          entries: [],
        });
      }
      const sinceMs = Math.min(...[...missing.values()].map((part) => part.sinceMs));
      const isFirst = known.every((id) => id === beginning);
      log[isFirst ? "info" : "warn"](
        { partitions: [...missing.keys()], since: new Date(sinceMs), cause: gap ? "slot" : "redis" },
        isFirst ? "a new bus begins" : "the bus misses events: publishing them again from the outbox",
      );
      for (const [partition, { sinceMs, present }] of missing)
        log.debug(
          { partition, top: tops[partition], known: known[partition], sinceMs, present: present.size },
          "sweeping a partition",
        );
      // A stream that is filled half looks whole. So what is owed is written down until all of it is there.
      debt = sinceMs;
      await saveDebt(direct, epoch, sinceMs);

      await direct.query("begin isolation level repeatable read read only");
      if (gap?.snapshot) await direct.query(`set transaction snapshot '${gap.snapshot}'`);
      const reached = tops.map(({ id }) => id);
      const publisher = streamPublisher(redis, keys, epoch, reached);
      const before = republished;
      for await (const rows of readOutbox(direct, sinceMs)) {
        for (const row of rows) {
          const part = missing.get(partitionOf(row.key, partitions));
          const createdMs = instantOf(row.created_at);
          if (!part || createdMs < part.sinceMs || part.present.has(row.id)) continue;
          part.entries.push({ id: part.nextId(), text: encodeRow(row), safeAt: part.sinceMs });
          if (createdMs >= safeAt()) swept.add(row.id);
        }
        for (const [partition, part] of missing) {
          if (part.entries.length === 0) continue;
          await publisher.append(partition, part.entries);
          republished += part.entries.length;
          part.entries = [];
        }
      }
      await direct.query("commit");
      const end = await direct.query("select pg_current_wal_insert_lsn() as lsn");
      sweptUntil = parseLsn((end.rows[0] as { lsn: string }).lsn);
      for (const [partition, id] of reached.entries()) known[partition] = id;
      await saveDebt(direct, epoch, undefined);
      debt = undefined;
      log.info({ events: republished - before }, "the bus holds what the outbox holds");
    } finally {
      await direct.end().catch(() => {});
    }
  }

  /** From when on a partition that was lost whole must be read again: where the slowest group was. */
  async function readHandled(direct: DirectClient): Promise<(partition: number) => number> {
    const { rows } = await direct.query(
      `select partition, stream, last_id, extract(epoch from safe_at) * 1000 as safe_ms
       from consumer_progress where updated_at > now() - interval '7 days'`,
    );
    const groups = rows as { partition: number; stream: string; last_id: string; safe_ms: string | null }[];
    return (partition) => {
      const ofPartition = groups.filter((group) => group.partition === partition);
      if (ofPartition.length === 0) return 0;
      return Math.min(
        ...ofPartition.map((group) => {
          const isCurrent = group.stream === keys.stream(partition, epoch);
          if (isCurrent && !isAfter(known[partition]!, group.last_id)) return safeAt();
          return Number(group.safe_ms ?? 0);
        }),
      );
    };
  }

  async function readPresent(redis: Redis, partition: number, sinceMs: number): Promise<Set<string>> {
    const present = new Set<string>();
    // A slot that is lost by a change of epoch: what the earlier stream holds is published too.
    const epochs = new Set([...(await redis.lrange(keys.epochs, -2, -1)), epoch]);
    for (const each of epochs) {
      let end = "+";
      for (;;) {
        const page = await redis.xrevrange(keys.stream(partition, each), end, "-", "COUNT", 1_000);
        let oldest = Number.POSITIVE_INFINITY;
        for (const [, [, text = "{}"]] of page) {
          const { id, at } = JSON.parse(text) as { id: string; at: string };
          present.add(id);
          oldest = Math.min(oldest, Date.parse(at));
        }
        if (page.length < 1_000 || oldest < sinceMs - lookBackMs) break;
        end = `(${page.at(-1)![0]}`;
      }
    }
    return present;
  }

  async function untilDone<T>(what: string, work: () => Promise<T>): Promise<T> {
    for (let attempt = 0; ; attempt++) {
      signal.throwIfAborted();
      try {
        return await work();
      } catch (error) {
        if (signal.aborted) throw error;
        if (!(error instanceof StreamsForgot)) log.warn({ error, attempt }, `${what} failed; trying again`);
        // A stream that lost its end is filled when the connection is made anew.
        current?.link.close();
        current = undefined;
        if (!(error instanceof StreamsForgot) || attempt > 0)
          await pause(Math.min(2_000, 50 * 2 ** attempt) * (0.5 + Math.random() / 2), signal);
      }
    }
  }

  return {
    append: (parts) =>
      untilDone("publishing", async () => {
        const { publisher } = await open();
        await Promise.all(
          [...parts].map(([partition, entries]) => {
            // What a sweep took from the table already is not published a second time from the log.
            const fresh = swept.size === 0 ? entries : entries.filter(({ rowId }) => !swept.delete(rowId));
            return fresh.length === 0 ? undefined : publisher.append(partition, fresh);
          }),
        );
      }),
    verify: (thorough) =>
      untilDone("looking after the bus", async () => {
        const { link: at } = await open();
        if ((await at.redis.lpos(keys.epochs, epoch)) === null) throw new StreamsForgot(-1, epoch, "nothing");
        if (!thorough) return;
        for (const [partition, top] of (await readTops(at)).entries())
          if (isAfter(known[partition]!, top.id))
            throw new StreamsForgot(partition, known[partition]!, top.id);
      }),
    fillGap: (gap) =>
      untilDone("filling the gap of a lost slot", async () => {
        const { link: at } = await open();
        await fill(at, await readTops(at), gap);
      }),
    tops: () => known,
    passed(lsn) {
      if (swept.size > 0 && lsn >= sweptUntil) swept.clear();
    },
    get isUp() {
      return current !== undefined && !current.link.isBroken();
    },
    get republished() {
      return republished;
    },
    close: () => current?.link.close(),
  };
}

type Missing = { sinceMs: number; present: Set<string>; nextId: () => string; entries: Entry[] };

const debtRow = (epoch: string) => `fill:${epoch}`;

async function saveDebt(direct: DirectClient, epoch: string, sinceMs: number | undefined): Promise<void> {
  if (sinceMs === undefined)
    await direct.query("delete from relay_progress where stream = $1", [debtRow(epoch)]);
  else
    await direct.query(
      `insert into relay_progress (stream, last_id, safe_at)
       values ($1, '0-0', to_timestamp($2::float8 / 1000))
       on conflict (stream) do update set safe_at = excluded.safe_at, updated_at = now()`,
      [debtRow(epoch), sinceMs],
    );
}

export async function readDebt(direct: DirectClient, epoch: string): Promise<number | undefined> {
  const { rows } = await direct.query(
    "select extract(epoch from safe_at) * 1000 as since_ms from relay_progress where stream = $1",
    [debtRow(epoch)],
  );
  const row = rows[0] as { since_ms: string } | undefined;
  return row && Number(row.since_ms);
}

// Ordered by the column, not by its text of the same name.
async function* readOutbox(direct: DirectClient, sinceMs: number): AsyncGenerator<OutboxText[]> {
  const first = await direct.query(
    "select min(position)::text as position from outbox where created_at >= to_timestamp($1::float8 / 1000)",
    [sinceMs],
  );
  let position = (first.rows[0] as { position: string | null }).position;
  while (position !== null) {
    const { rows } = await direct.query(
      `select position::text, id, key, topic, version::text, payload::text, request_id, traceparent, created_at::text
       from outbox where created_at >= to_timestamp($1::float8 / 1000) and position >= $2
       order by outbox.position limit ${sweepPage}`,
      [sinceMs, position],
    );
    const page = rows as (OutboxText & { position: string })[];
    yield page;
    position = page.length < sweepPage ? null : String(BigInt(page.at(-1)!.position) + 1n);
  }
}

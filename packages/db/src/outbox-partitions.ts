// Keeps the outbox's daily partitions: some days ahead are there, and what is published and old is dropped whole.

import type { Sql } from "./client.ts";
import { locks } from "./locks.ts";

const dayMs = 86_400_000;
const aheadDays = 3;
/** How long a published event can be published again. */
const keepDays = 7;
/** Marks outlive the events that could come again. */
const keepMarksDays = keepDays + 3;

export type Maintenance = { created: string[]; dropped: string[]; marksRemoved: number };

/** Safe to call from many processes; one of them works. Undefined: another one is at it. */
export async function maintainOutbox(sql: Sql, now = new Date()): Promise<Maintenance | undefined> {
  const done: Maintenance = { created: [], dropped: [], marksRemoved: 0 };
  const connection = await sql.reserve();
  try {
    const [lock] = await connection`select pg_try_advisory_lock(${locks.outboxPartitions}) as held`;
    if (!lock?.held) return undefined;
    try {
      const existing = new Set(await partitionDays(connection));
      const today = Math.floor(now.getTime() / dayMs);
      const strays = await connection<{ day: string }[]>`
        select distinct (created_at at time zone 'UTC')::date::text as day from outbox_default`;
      const wanted = new Set([
        ...Array.from({ length: aheadDays + 1 }, (_, n) => dayOf(today + n)),
        ...strays.map(({ day }) => day),
      ]);
      // The newest first: what has to be moved from a day that is over may take its time.
      for (const day of [...wanted].sort().reverse()) {
        if (existing.has(day)) continue;
        await createDay(connection, day, { isWritten: day <= dayOf(today + 1) });
        done.created.push(day);
      }
      const [published] = await connection<{ safe: Date | null }[]>`
        select max(safe_at) as safe from relay_progress`;
      const limit = Math.min(published?.safe?.getTime() ?? 0, now.getTime() - keepDays * dayMs);
      for (const day of existing) {
        // A day's rows all began before its end; what began before the safe instant is published.
        if (Date.parse(day) + dayMs > limit) continue;
        await dropDay(connection, day);
        done.dropped.push(day);
      }
      const marks = await connection`
        delete from consumed_events where ctid = any (array(
          select ctid from consumed_events
          where consumed_at < now() - make_interval(days => ${keepMarksDays}) limit 50000))`;
      done.marksRemoved = marks.count;
      return done;
    } finally {
      await connection`select pg_advisory_unlock(${locks.outboxPartitions})`.catch(() => {});
    }
  } finally {
    connection.release();
  }
}

const dayOf = (day: number) => new Date(day * dayMs).toISOString().slice(0, 10);
const nameOf = (day: string) => `outbox_${day.replaceAll("-", "")}`;

async function partitionDays(sql: Sql): Promise<string[]> {
  const rows = await sql<{ name: string }[]>`
    select relname as name from pg_inherits join pg_class on pg_class.oid = inhrelid
    where inhparent = 'outbox'::regclass`;
  return rows.flatMap(({ name }) => {
    const [, year, month, day] = /^outbox_(\d{4})(\d\d)(\d\d)$/.exec(name) ?? [];
    return year ? [`${year}-${month}-${day}`] : [];
  });
}

/**
 * Attaches rather than creates in place: that blocks no writer of other days. Rows of the day that were caught by the
 * default partition move along; they were published when they were written there. Whoever was on his way there in that
 * moment would be refused for coming to the wrong partition, so of a day that is written, or soon will be, all writers wait
 * before they look for the right one.
 */
async function createDay(sql: Sql, day: string, { isWritten }: { isWritten: boolean }): Promise<void> {
  const name = nameOf(day);
  const next = dayOf(Date.parse(day) / dayMs + 1);
  await inTransaction(sql, [
    ...(isWritten ? ["lock table only outbox in share row exclusive mode"] : []),
    `create table ${name} (like outbox including all)`,
    "lock table outbox_default in access exclusive mode",
    `with moved as (
       delete from outbox_default
       where created_at >= '${day} 00:00:00+00' and created_at < '${next} 00:00:00+00' returning *)
     insert into ${name} select * from moved`,
    `alter table outbox attach partition ${name}
       for values from ('${day} 00:00:00+00') to ('${next} 00:00:00+00')`,
  ]);
}

const dropDay = (sql: Sql, day: string) => inTransaction(sql, [`drop table ${nameOf(day)}`]);

/** Gives way: a lock that is not had at once is asked for again later, so that writers never queue up behind it. */
async function inTransaction(sql: Sql, statements: string[]): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    try {
      await sql.unsafe(["begin; set local lock_timeout = '200ms'", ...statements, "commit"].join(";\n"));
      return;
    } catch (error) {
      await sql.unsafe("rollback").catch(() => {});
      const isBusy = error instanceof Error && "code" in error && error.code === "55P03";
      if (!isBusy || attempt >= 20) throw error;
      await new Promise((resolve) => setTimeout(resolve, 250 + Math.random() * 500));
    }
  }
}

// What an operator does with dead letters. The worker that holds the partition sees a request within two seconds and
// runs the key's letters in order.

import type { Sql } from "./client.ts";

export type DeadLetter = {
  /** Order of arrival; also the id by which one is named. */
  sequence: string;
  group: string;
  partition: number;
  key: string;
  eventId: string;
  topic: string;
  event: unknown;
  error: string;
  attempts: number;
  at: Date;
  replayRequestedAt: Date | null;
  /** Later events of the same key that wait behind this one. */
  waiting: number;
};

export async function listDeadLetters(
  sql: Sql,
  filter: { group?: string; topic?: string; limit?: number; after?: string; sequence?: string } = {},
): Promise<DeadLetter[]> {
  const { group, topic, limit = 100, after, sequence } = filter;
  return sql<DeadLetter[]>`
    select sequence::text, consumer_group as "group", partition, key, event_id as "eventId", topic, event, error, attempts,
      failed_at as at, replay_requested_at as "replayRequestedAt",
      (select count(*)::int from dead_letters as behind
       where behind.consumer_group = letter.consumer_group and behind.key = letter.key
         and behind.sequence > letter.sequence) as waiting
    from dead_letters as letter
    where error is not null and discarded_at is null
      ${group === undefined ? sql`` : sql`and consumer_group = ${group}`}
      ${topic === undefined ? sql`` : sql`and topic = ${topic}`}
      ${after === undefined ? sql`` : sql`and sequence > ${after}`}
      ${sequence === undefined ? sql`` : sql`and sequence = ${sequence}`}
    order by sequence limit ${limit}`;
}

/** By group: how many letters are dead, and how many events wait behind them. */
export async function countDeadLetters(sql: Sql): Promise<Map<string, { dead: number; waiting: number }>> {
  const rows = await sql<{ group: string; dead: number; waiting: number }[]>`
    select consumer_group as "group",
      count(*) filter (where error is not null and discarded_at is null)::int as dead,
      count(*) filter (where error is null)::int as waiting
    from dead_letters group by consumer_group`;
  return new Map(rows.map(({ group, dead, waiting }) => [group, { dead, waiting }]));
}

export type LetterChoice = { sequence: string } | { group: string } | { eventId: string } | { all: true };

/** Asks for letters to run again, with what waits behind them. Answers how many dead ones it names. */
export async function replayDeadLetters(sql: Sql, which: LetterChoice): Promise<number> {
  const asked = await sql`
    update dead_letters set replay_requested_at = now()
    where error is not null and discarded_at is null and ${chosen(sql, which)}`;
  return asked.count;
}

/** Gives one letter up for good; what waits behind it goes on. */
export async function discardDeadLetter(sql: Sql, sequence: string): Promise<boolean> {
  const gone = await sql`
    update dead_letters set discarded_at = now(), replay_requested_at = now()
    where sequence = ${sequence} and error is not null and discarded_at is null`;
  return gone.count > 0;
}

function chosen(sql: Sql, which: LetterChoice) {
  if ("sequence" in which) return sql`sequence = ${which.sequence}`;
  if ("eventId" in which) return sql`event_id = ${which.eventId}`;
  if ("group" in which) return sql`consumer_group = ${which.group}`;
  return sql`true`;
}

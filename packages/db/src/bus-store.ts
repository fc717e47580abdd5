// What consumers of the bus keep in Postgres: letters that could not be handled, and how far each group is.

import type { BusEvent, BusStore, NewLetter, Progress } from "@signalbox/core/bus/bus";
import type { Sql } from "./client.ts";

/** `watch` asks again and again for letters that shall be replayed. */
export function createBusStore(sql: Sql, watch: Sql = sql): BusStore {
  return {
    async open(group, partition) {
      await sql`
        insert into consumer_progress (consumer_group, partition) values (${group}, ${partition})
        on conflict (consumer_group, partition) do update set updated_at = now()`;
      // A letter that waits behind none (its dead one went away while nobody looked) goes on by itself.
      await sql`
        update dead_letters as letter set replay_requested_at = now()
        where consumer_group = ${group} and partition = ${partition} and error is null
          and not exists (select from dead_letters as earlier where earlier.consumer_group = ${group}
            and earlier.key = letter.key and earlier.sequence < letter.sequence)`;
      const rows = await sql<{ key: string }[]>`
        select distinct key from dead_letters where consumer_group = ${group} and partition = ${partition}`;
      return rows.map(({ key }) => key);
    },

    async setAside({ group, partition, event, failure }: NewLetter) {
      await sql`
        insert into dead_letters (consumer_group, partition, key, event_id, topic, event, error, attempts, failed_at)
        values (${group}, ${partition}, ${event.key}, ${event.id}, ${event.topic}, ${sql.json(event as never)},
          ${failure?.error ?? null}, ${failure?.attempts ?? 0}, ${failure ? new Date() : null})
        on conflict (consumer_group, event_id) do nothing`;
    },

    async replayRequests() {
      return watch<{ group: string; partition: number; key: string }[]>`
        select distinct consumer_group as group, partition, key from dead_letters
        where replay_requested_at is not null`;
    },

    async firstLetter(group, key) {
      const [row] = await sql<{ sequence: string; event: BusEvent; discarded: boolean }[]>`
        select sequence::text, event, discarded_at is not null as discarded from dead_letters
        where consumer_group = ${group} and key = ${key} order by sequence limit 1`;
      return row;
    },

    async removeLetter(sequence) {
      await sql`
        with gone as (delete from dead_letters where sequence = ${sequence} returning consumer_group, key, replay_requested_at)
        update dead_letters set replay_requested_at = gone.replay_requested_at from gone
        where dead_letters.sequence = (
          select min(sequence) from dead_letters as next, gone
          where next.consumer_group = gone.consumer_group and next.key = gone.key and next.sequence <> ${sequence})`;
    },

    async failLetter(sequence, error, attempts) {
      await sql`
        update dead_letters
        set error = ${error}, attempts = attempts + ${attempts}, failed_at = now(), replay_requested_at = null
        where sequence = ${sequence}`;
    },

    async saveProgress(rows: Progress[]) {
      const values = rows.map(({ group, partition, stream, lastId, safeAt }) => ({
        consumer_group: group,
        partition,
        stream,
        last_id: lastId,
        safe_at: new Date(safeAt),
        updated_at: new Date(),
      }));
      await sql`
        insert into consumer_progress ${sql(values)}
        on conflict (consumer_group, partition) do update
        set stream = excluded.stream, last_id = excluded.last_id, safe_at = excluded.safe_at,
          updated_at = excluded.updated_at`;
    },
  };
}

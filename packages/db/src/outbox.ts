// Events leave through the database's own log: a row here is committed with the change that it tells of, or not at all.

import { type SQL, sql } from "drizzle-orm";
import type postgres from "postgres";
import type { Db, Sql } from "./client.ts";
import { outbox } from "./schema/outbox.ts";

/** Only what a running transaction offers; a plain client does not pass for one. */
export type Transaction = Parameters<Parameters<Db["transaction"]>[0]>[0];

export type OutboxRow = {
  id: string;
  key: string;
  topic: string;
  version: number;
  payload: unknown;
  requestId: string;
  traceparent: string | undefined;
};

export async function appendToOutbox(transaction: Transaction, row: OutboxRow): Promise<void> {
  await transaction.insert(outbox).values(row);
}

/** The same as a part of a statement whose part `claimed` has a row where there is something to tell. */
export const outboxRow = ({
  id,
  key,
  topic,
  version,
  payload,
  requestId,
  traceparent,
}: OutboxRow): SQL => sql`
  insert into outbox (id, key, topic, version, payload, request_id, traceparent)
  select ${id}::uuid, ${key}::uuid, ${topic}, ${version}::smallint, ${JSON.stringify(payload)}::jsonb, ${requestId},
    ${traceparent ?? null} from claimed`;

/** The same as a part of a statement: tells of every row of `source`, in the order of its column `n`. */
export const appendFrom = (sql: Sql, source: string): postgres.PendingQuery<postgres.Row[]> => sql`
  insert into outbox (id, key, topic, version, payload, request_id, traceparent)
  select event_id, event_key, topic, version, payload, request_id, traceparent from ${sql(source)} order by n`;

/**
 * Names the transaction after whom it serves, so that pg_stat_activity and the server's log lines (%a) lead to the request.
 * Sent along with the first statement, it costs no trip. docs/decisions/0009 says why it is no comment in the statements.
 */
export async function nameTransaction(transaction: Transaction, name: string): Promise<void> {
  await transaction.execute(sql`select set_config('application_name', ${name}, true)`);
}

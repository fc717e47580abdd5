// Events leave through the database's own log: a row here is committed with the change that it tells of, or not at all.

import type { Db } from "./client.ts";
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

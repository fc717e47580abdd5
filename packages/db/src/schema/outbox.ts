// Events on their way out: written in the transaction of the change they tell of, read from the database's log by the relay.
// The table is partitioned by day in its migration, so that what is published and old is dropped, not deleted.

import { sql } from "drizzle-orm";
import { bigint, index, jsonb, pgTable, primaryKey, smallint, text, uuid } from "drizzle-orm/pg-core";
import { createdAt, instant } from "./columns.ts";

export const outbox = pgTable(
  "outbox",
  {
    /** Order of writing; within one key that is the order of what happened. */
    position: bigint({ mode: "bigint" }).notNull().default(sql`nextval('outbox_position')`),
    id: uuid().notNull(),
    /** The user whom it concerns: events of one key stay in order. */
    key: uuid().notNull(),
    topic: text().notNull(),
    version: smallint().notNull(),
    payload: jsonb().notNull(),
    requestId: text("request_id").notNull(),
    traceparent: text(),
    createdAt: createdAt(),
  },
  (t) => [primaryKey({ columns: [t.createdAt, t.id] }), index("outbox_by_position").on(t.position)],
);

/** How far the relay has published, so that a loss of the bus's memory can be noticed and mended from the table. */
export const relayProgress = pgTable("relay_progress", {
  stream: text().primaryKey(),
  lastId: text("last_id").notNull(),
  updatedAt: instant("updated_at").notNull().default(sql`now()`),
});

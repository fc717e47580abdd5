// Events on their way out: written in the transaction of the change they tell of, read from the database's log by the relay.
// The table is partitioned by day in its migration, so that what is published and old is dropped, not deleted.

import { sql } from "drizzle-orm";
import {
  bigint,
  index,
  integer,
  jsonb,
  pgTable,
  primaryKey,
  smallint,
  text,
  unique,
  uuid,
} from "drizzle-orm/pg-core";
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
  /** A stream of the bus, or an epoch, or a slot whose gap is filled. */
  stream: text().primaryKey(),
  lastId: text("last_id").notNull(),
  /** Every row whose transaction began before this instant is published. */
  safeAt: instant("safe_at"),
  updatedAt: instant("updated_at").notNull().default(sql`now()`),
});

/** How far each group has handled each partition: from where the outbox must be read again if the bus forgets. */
export const consumerProgress = pgTable(
  "consumer_progress",
  {
    consumerGroup: text("consumer_group").notNull(),
    partition: smallint().notNull(),
    stream: text().notNull().default(""),
    lastId: text("last_id").notNull().default("0-0"),
    /** Every row whose transaction began before this instant is handled. */
    safeAt: instant("safe_at"),
    updatedAt: instant("updated_at").notNull().default(sql`now()`),
  },
  (t) => [primaryKey({ columns: [t.consumerGroup, t.partition] })],
);

/** Events that a group could not handle, and those of the same key that wait behind them, in order. */
export const deadLetters = pgTable(
  "dead_letters",
  {
    sequence: bigint({ mode: "bigint" }).generatedAlwaysAsIdentity().primaryKey(),
    consumerGroup: text("consumer_group").notNull(),
    partition: smallint().notNull(),
    key: uuid().notNull(),
    eventId: uuid("event_id").notNull(),
    topic: text().notNull(),
    event: jsonb().notNull(),
    /** Null: it never failed itself, it waits. */
    error: text(),
    attempts: integer().notNull().default(0),
    failedAt: instant("failed_at"),
    replayRequestedAt: instant("replay_requested_at"),
    /** Given up by an operator: passed over when the key goes on. */
    discardedAt: instant("discarded_at"),
    createdAt: createdAt(),
  },
  (t) => [
    unique("dead_letters_event").on(t.consumerGroup, t.eventId),
    index("dead_letters_in_order").on(t.consumerGroup, t.key, t.sequence),
    index("dead_letters_asked_for")
      .on(t.consumerGroup, t.partition)
      .where(sql`replay_requested_at is not null`),
  ],
);

/** Marks of events whose effects are in Postgres, written in the transaction of the effect. */
export const consumedEvents = pgTable(
  "consumed_events",
  {
    consumerGroup: text("consumer_group").notNull(),
    eventId: uuid("event_id").notNull(),
    consumedAt: instant("consumed_at").notNull().default(sql`now()`),
  },
  (t) => [
    primaryKey({ columns: [t.consumerGroup, t.eventId] }),
    index("consumed_events_by_age").on(t.consumedAt),
  ],
);

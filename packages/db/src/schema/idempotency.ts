// Calls that were sent with an Idempotency-Key: who claimed one, whether it took effect, and what was answered.

import { sql } from "drizzle-orm";
import { index, pgTable, uuid } from "drizzle-orm/pg-core";
import { bytea, createdAt, instant } from "./columns.ts";

/** Nothing in a row says what was sent: key and body are MACs, the answer is sealed with what only the caller has. */
export const idempotencyKeys = pgTable(
  "idempotency_keys",
  {
    id: bytea().primaryKey(),
    /** Whose it is, so that erasing the person takes it along; null: a guest's or an operator's. */
    userId: uuid("user_id"),
    fingerprint: bytea().notNull(),
    /** The run that may take effect; a run whose claim was taken over is rolled back. */
    claim: uuid().notNull(),
    /** Until then nobody takes over a run that has neither taken effect nor answered. */
    leaseUntil: instant("lease_until").notNull(),
    /** Written in the transaction of the effect. */
    effectAt: instant("effect_at"),
    answer: bytea(),
    createdAt: createdAt(),
    expiresAt: instant("expires_at").notNull(),
  },
  (t) => [
    index("idempotency_keys_by_end").on(t.expiresAt),
    index("idempotency_keys_by_user").on(t.userId).where(sql`${t.userId} is not null`),
  ],
);

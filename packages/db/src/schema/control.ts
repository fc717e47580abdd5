// The append-only log of operator acts. Settings are its fold; nothing updates or deletes a row.

import { bigint, jsonb, pgTable, text, uuid } from "drizzle-orm/pg-core";
import { instant } from "./columns.ts";

export const controlEvents = pgTable("control_events", {
  revision: bigint({ mode: "number" }).primaryKey(),
  id: uuid().notNull().unique(),
  at: instant("at").notNull(),
  actor: jsonb().notNull(),
  kind: text().notNull(),
  key: text().notNull(),
  before: jsonb(),
  after: jsonb(),
  reason: text().notNull(),
  /** What it was done for, such as INC-42. */
  incident: text(),
  expiresAt: instant("expires_at"),
  requestId: text("request_id").notNull(),
  previousHash: text("previous_hash").notNull(),
  hash: text().notNull(),
});

/** One-time sign-in links that were used; a row is written at most once. */
export const usedSignInLinks = pgTable("used_sign_in_links", {
  id: text().primaryKey(),
  usedAt: instant("used_at").notNull(),
});

// Mails of an install without a mail server, for whoever tries it out; the oldest go.

import { sql } from "drizzle-orm";
import { pgTable, uuid } from "drizzle-orm/pg-core";
import { bytea, createdAt } from "./columns.ts";

export const mailbox = pgTable("mailbox", {
  id: uuid().primaryKey(),
  /** To whom, and under whose key. */
  userId: uuid("user_id").notNull(),
  sealed: bytea().notNull().default(sql`'\\x'`),
  createdAt: createdAt(),
});

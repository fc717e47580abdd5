// Profiles, the handles that lead to them, and who follows whom.

import { index, integer, pgTable, primaryKey, text, uuid } from "drizzle-orm/pg-core";
import { createdAt } from "./columns.ts";

export const users = pgTable("users", {
  id: uuid().primaryKey(),
  handle: text().notNull(),
  displayName: text("display_name").notNull(),
  bio: text().notNull().default(""),
  version: integer().notNull().default(1),
  createdAt: createdAt(),
});

/** A table of its own, because a handle must be unique over all shards while users are spread by id. */
export const handles = pgTable("handles", {
  handle: text().primaryKey(),
  userId: uuid("user_id").notNull(),
});

export const follows = pgTable(
  "follows",
  {
    userId: uuid("user_id").notNull(),
    targetId: uuid("target_id").notNull(),
    createdAt: createdAt(),
  },
  (t) => [
    primaryKey({ columns: [t.userId, t.targetId] }),
    index("follows_by_target").on(t.targetId, t.userId),
  ],
);

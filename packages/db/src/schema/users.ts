// Profiles, the handles that lead to them, and who follows, blocks or mutes whom.

import { sql } from "drizzle-orm";
import { index, integer, jsonb, pgTable, primaryKey, text, uuid } from "drizzle-orm/pg-core";
import { createdAt, instant } from "./columns.ts";

export const users = pgTable(
  "users",
  {
    id: uuid().primaryKey(),
    handle: text().notNull(),
    displayName: text("display_name").notNull(),
    bio: text().notNull().default(""),
    /** The address of a picture. */
    avatar: text(),
    links: jsonb().$type<string[]>().notNull().default([]),
    /** A BCP 47 tag. */
    locale: text().notNull().default("en"),
    /** Of residence, as ISO 3166 writes countries; null: not said. */
    region: text(),
    version: integer().notNull().default(1),
    createdAt: createdAt(),
  },
  (t) => [
    // Search: by the beginning in order, and by likeness.
    index("users_by_handle_start").on(t.handle.op("text_pattern_ops")),
    index("users_by_handle_likeness").using("gin", t.handle.op("gin_trgm_ops")),
    index("users_by_name_likeness").using("gin", sql`lower(${t.displayName}) gin_trgm_ops`),
  ],
);

/** A table of its own, because a handle must be unique over all shards while users are spread by id. */
export const handles = pgTable(
  "handles",
  {
    handle: text().primaryKey(),
    userId: uuid("user_id").notNull(),
    /** Set on a handle that its user gave up: until then it leads there still, and nobody else gets it. */
    heldUntil: instant("held_until"),
  },
  (t) => [index("handles_by_user").on(t.userId)],
);

/** Apart from the profile: a follow must not make an edit of the profile wait, nor change its version. */
export const userCounts = pgTable("user_counts", {
  userId: uuid("user_id").primaryKey(),
  followers: integer().notNull().default(0),
  following: integer().notNull().default(0),
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

export const blocks = pgTable(
  "blocks",
  {
    userId: uuid("user_id").notNull(),
    targetId: uuid("target_id").notNull(),
    createdAt: createdAt(),
  },
  (t) => [primaryKey({ columns: [t.userId, t.targetId] }), index("blocks_by_target").on(t.targetId)],
);

export const mutes = pgTable(
  "mutes",
  {
    userId: uuid("user_id").notNull(),
    targetId: uuid("target_id").notNull(),
    createdAt: createdAt(),
  },
  (t) => [primaryKey({ columns: [t.userId, t.targetId] })],
);

// What protects people's data and what carries it away: their keys, and requests to export or erase.

import { sql } from "drizzle-orm";
import { index, integer, jsonb, pgTable, primaryKey, text, uuid } from "drizzle-orm/pg-core";
import { bytea, createdAt, instant } from "./columns.ts";

/** One data key a user, wrapped by a master key. Without its row nothing that it sealed can be read again. */
export const userKeys = pgTable(
  "user_keys",
  {
    userId: uuid("user_id").primaryKey(),
    /** Which master key wrapped it. */
    masterVersion: text("master_version").notNull(),
    wrapped: bytea().notNull(),
    /** Stands for the user in the operators' log, which can not be edited: with this row goes what leads from it to anyone. */
    alias: uuid().notNull().unique().defaultRandom(),
    createdAt: createdAt(),
  },
  (t) => [index("user_keys_by_master").on(t.masterVersion)],
);

/** One run of an export or an erasure, which goes on where it stopped. */
export const personalRequests = pgTable(
  "personal_requests",
  {
    id: uuid().primaryKey(),
    /** Null when the person is erased: what stays says that it was done, not to whom. */
    userId: uuid("user_id"),
    kind: text().notNull().$type<"export" | "erasure">(),
    state: text().notNull().$type<"waiting" | "running" | "done" | "failed">().default("waiting"),
    /** The names of the steps that are done, each with what it touched. */
    steps: jsonb().notNull().$type<{ name: string; count: number }[]>().default([]),
    total: integer().notNull().default(0),
    error: text(),
    attempts: integer().notNull().default(0),
    leaseUntil: instant("lease_until"),
    createdAt: createdAt(),
    finishedAt: instant("finished_at"),
    /** When an archive is dropped. */
    expiresAt: instant("expires_at"),
  },
  (t) => [
    index("personal_requests_open").on(t.createdAt).where(sql`${t.state} in ('waiting', 'running')`),
    index("personal_requests_by_user").on(t.userId).where(sql`${t.userId} is not null`),
  ],
);

/** An archive in parts, each sealed with the person's own key. */
export const personalArchives = pgTable(
  "personal_archives",
  {
    userId: uuid("user_id").notNull(),
    requestId: uuid("request_id").notNull(),
    part: integer().notNull(),
    sealed: bytea().notNull(),
  },
  (t) => [primaryKey({ columns: [t.userId, t.requestId, t.part] })],
);

/** Handles of the erased, as MACs, until they can be taken again: nobody steps into another's shoes the next day. */
export const heldHandles = pgTable("held_handles", {
  handle: bytea().primaryKey(),
  until: instant("until").notNull(),
});

// How people prove who they are: a password, the sessions made from it, and the keys that sign access tokens.

import { sql } from "drizzle-orm";
import { index, integer, jsonb, pgTable, primaryKey, text, uniqueIndex, uuid } from "drizzle-orm/pg-core";
import { bytea, createdAt, instant } from "./columns.ts";

export const credentials = pgTable(
  "credentials",
  {
    userId: uuid("user_id").primaryKey(),
    /** Under the user's own key; looked up by a keyed index of it. */
    emailSealed: bytea("email_sealed").notNull().default(sql`'\\x'`),
    emailIndex: bytea("email_index").notNull().default(sql`'\\x'`),
    emailVerifiedAt: instant("email_verified_at"),
    /** Sealed and found like the address; absent: not said. */
    phoneSealed: bytea("phone_sealed"),
    phoneIndex: bytea("phone_index"),
    passwordHash: text("password_hash").notNull(),
    role: text().notNull().$type<"user" | "moderator">().default("user"),
    suspendedAt: instant("suspended_at"),
    suspendedFor: text("suspended_for"),
  },
  (t) => [
    // Unique once verified: registering must never tell that an address is already known.
    uniqueIndex("credentials_verified_email_index")
      .on(t.emailIndex)
      .where(sql`${t.emailVerifiedAt} is not null`),
    index("credentials_email_index").on(t.emailIndex),
    index("credentials_phone_index").on(t.phoneIndex).where(sql`${t.phoneIndex} is not null`),
  ],
);

/** One row a session, not a token: a refresh token is the session's id and counter under a MAC, so nothing of it is stored. */
export const sessions = pgTable(
  "sessions",
  {
    userId: uuid("user_id").notNull(),
    id: uuid().notNull(),
    counter: integer().notNull().default(0),
    rotatedAt: instant("rotated_at").notNull().default(sql`now()`),
    expiresAt: instant("expires_at").notNull(),
    revokedAt: instant("revoked_at"),
    /** What it was opened from, under the user's own key. */
    deviceSealed: bytea("device_sealed").notNull().default(sql`'\\x'`),
    createdAt: createdAt(),
  },
  // The migration leaves room on every page, which keeps a rotation a heap-only update.
  (t) => [
    primaryKey({ columns: [t.userId, t.id] }),
    // Every instance asks for what was revoked lately.
    index("sessions_revoked").on(t.revokedAt).where(sql`${t.revokedAt} is not null`),
  ],
);

export const signingKeys = pgTable("signing_keys", {
  kid: text().primaryKey(),
  publicJwk: jsonb("public_jwk").notNull(),
  /** Encrypted with the install's master secret. */
  privateJwk: bytea("private_jwk").notNull(),
  createdAt: createdAt(),
  /** Published before, so that everyone who verifies knows it when the first token comes. */
  signsFrom: instant("signs_from").notNull().default(sql`now()`),
  /** Verifies no longer from here on. */
  retiredAt: instant("retired_at"),
});

/**
 * Links that were mailed. A link is the row's key under a MAC, so nothing in the row opens anything; the row says where it
 * went, until when it holds and whether it was used.
 */
export const mailedLinks = pgTable(
  "mailed_links",
  {
    userId: uuid("user_id").notNull(),
    id: uuid().notNull(),
    purpose: text().notNull().$type<"verify" | "reset" | "change">(),
    /** Where it went, under the user's own key. */
    emailSealed: bytea("email_sealed").notNull().default(sql`'\\x'`),
    expiresAt: instant("expires_at").notNull(),
    usedAt: instant("used_at"),
    createdAt: createdAt(),
  },
  (t) => [primaryKey({ columns: [t.userId, t.id] })],
);

export const secondFactors = pgTable("second_factors", {
  userId: uuid("user_id").primaryKey(),
  /** Encrypted with the install's master secret. */
  secret: bytea().notNull(),
  /** Null: set up, and not yet proven. */
  confirmedAt: instant("confirmed_at"),
  /** The last step of time whose code was taken: none before it, nor itself, is taken again. */
  lastStep: integer("last_step").notNull().default(0),
  createdAt: createdAt(),
});

export const recoveryCodes = pgTable(
  "recovery_codes",
  { userId: uuid("user_id").notNull(), hash: bytea().notNull(), usedAt: instant("used_at") },
  (t) => [primaryKey({ columns: [t.userId, t.hash] })],
);

/** What happened to an account that its owner should be able to read. Written with the change itself; nothing updates a row. */
export const auditEvents = pgTable(
  "audit_events",
  {
    userId: uuid("user_id").notNull(),
    id: uuid().notNull(),
    kind: text().notNull(),
    /** Who did it: the user, an operator or a moderator, or the platform. */
    by: text().notNull(),
    /** What its user did it from, under that user's own key. */
    deviceSealed: bytea("device_sealed").notNull().default(sql`'\\x'`),
    detail: jsonb().notNull().$type<Record<string, string>>().default({}),
    createdAt: createdAt(),
  },
  (t) => [primaryKey({ columns: [t.userId, t.id] }), index("audit_events_by_id").on(t.id)],
);

/** Programs of others that call for their users: each with a key, where it may call from, and what it may call. */
export const applications = pgTable("applications", {
  id: uuid().primaryKey(),
  name: text().notNull(),
  /** Of the key, which has 256 random bits and is shown once. */
  keyHash: bytea("key_hash").notNull().unique(),
  origins: text().array().notNull(),
  scopes: text().array().notNull(),
  rate: integer(),
  burst: integer(),
  createdBy: text("created_by").notNull(),
  createdAt: createdAt(),
  revokedAt: instant("revoked_at"),
});

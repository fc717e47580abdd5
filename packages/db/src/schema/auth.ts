// How people prove who they are: a password, the sessions made from it, and the keys that sign access tokens.

import { sql } from "drizzle-orm";
import {
  customType,
  index,
  integer,
  jsonb,
  pgTable,
  primaryKey,
  text,
  uniqueIndex,
  uuid,
} from "drizzle-orm/pg-core";
import { createdAt, instant } from "./columns.ts";

const bytea = customType<{ data: Buffer }>({ dataType: () => "bytea" });

export const credentials = pgTable(
  "credentials",
  {
    userId: uuid("user_id").primaryKey(),
    email: text().notNull(),
    emailVerifiedAt: instant("email_verified_at"),
    passwordHash: text("password_hash").notNull(),
  },
  (t) => [
    // Unique once verified: registering must never tell that an address is already known.
    uniqueIndex("credentials_verified_email").on(t.email).where(sql`${t.emailVerifiedAt} is not null`),
    index("credentials_email").on(t.email),
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
    device: text().notNull().default(""),
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
  retiredAt: instant("retired_at"),
});

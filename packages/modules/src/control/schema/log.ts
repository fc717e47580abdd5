// The log of operators, and which process enforces how much of it.

import { z } from "zod";
import { ActorShape, anyKey, instant, listOf, OperatorPage } from "./shape-parts.ts";

export const LedgerItem = z.object({
  instance: z.string(),
  revision: z.number().int().nullable(),
  isBehind: z.boolean(),
  /** How long the newest revision has been out there without this one. */
  behindMs: z.number().nullable(),
  aspect: z.enum(["clear", "caution", "danger"]).describe("caution after 5 s, danger after 15 s"),
  overridden: z.array(z.string()),
});
/** Who enforces what; `expected` null: the registry is away. */
export const Ledger = listOf(LedgerItem).extend({
  revision: z.number().int(),
  pending: z.number().int().describe("acts that the log does not have yet"),
  expected: z.number().int().nullable(),
  confirmed: z.number().int(),
});

export const AuditEvent = z.object({
  revision: z.number().int(),
  id: z.string(),
  at: z.string(),
  actor: ActorShape,
  kind: z.string(),
  key: z.string(),
  before: z.unknown(),
  after: z.unknown(),
  reason: z.string(),
  incident: z.string().nullable().describe("what it was done for"),
  expiresAt: z.string().nullable(),
  requestId: z.string(),
  userId: z
    .string()
    .nullable()
    .describe("whom an alias in `key` stands for; null: nobody, or someone erased"),
  previousHash: z.string(),
  hash: z.string(),
});
export const History = OperatorPage.extend({ key: anyKey });
export const AuditQuery = OperatorPage.extend({
  key: anyKey.optional(),
  actor: z.string().max(200).optional().describe("the name or id of who acted"),
  incident: z.string().max(100).optional().describe("what was done for it"),
  kind: z.string().max(100).optional().describe("a kind of act, or what kinds begin with: switch, limit.set"),
  at: instant.optional(),
});
/** Newest first; with `at` also the whole state at that instant. */
export const AuditList = listOf(AuditEvent).extend({
  state: z
    .object({ at: z.string(), revision: z.number().int(), settings: z.unknown() })
    .nullable()
    .optional(),
  /** The database is away: only what was done since, and is not in the log yet. */
  partial: z.boolean().optional(),
});
export const EventList = listOf(AuditEvent);
export const AuditVerdict = z.object({
  ok: z.boolean(),
  checked: z.number().int(),
  head: z.object({ revision: z.number().int(), hash: z.string() }),
  /** The first event that does not fit, and why. */
  fault: z.object({ revision: z.number().int(), why: z.string() }).nullable(),
});

export type LedgerItem = z.infer<typeof LedgerItem>;
export type AuditEvent = z.infer<typeof AuditEvent>;

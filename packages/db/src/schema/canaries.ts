// What judges of canaries keep: what each side did slot by slot, how a canary stands, what was decided and on what evidence. Which
// step holds is in the log of operator acts, and only there.

import { bigint, index, jsonb, pgTable, primaryKey, text, uuid } from "drizzle-orm/pg-core";
import { instant } from "./columns.ts";

/** Written once, by whoever judges; all that the judge knows is a fold of these. */
export const canarySlots = pgTable(
  "canary_slots",
  {
    canaryId: uuid("canary_id").notNull(),
    /** When the slot began, in milliseconds. */
    start: bigint({ mode: "number" }).notNull(),
    counts: jsonb().notNull(),
  },
  (table) => [primaryKey({ columns: [table.canaryId, table.start] })],
);

/** What was said before it began, and the last word on it. */
export const canaryStandings = pgTable("canary_standings", {
  canaryId: uuid("canary_id").primaryKey(),
  estimate: jsonb(),
  standing: jsonb(),
  judgedAt: instant("judged_at"),
});

export const canaryDecisions = pgTable(
  "canary_decisions",
  {
    /** Also the id of its event in the log. */
    id: uuid().primaryKey(),
    canaryId: uuid("canary_id").notNull(),
    at: instant("at").notNull(),
    act: text().notNull(),
    step: bigint({ mode: "number" }).notNull(),
    verdict: text().notNull(),
    why: text().notNull(),
    /** All that the verdict was made of: judging it again gives the same. */
    evidence: jsonb().notNull(),
    /** Null: it was never done, because whoever decided it died first. */
    revision: bigint({ mode: "number" }),
    confirmations: jsonb(),
  },
  (table) => [index("canary_decisions_by_canary").on(table.canaryId, table.at)],
);

/** What only one process does at a time. */
export const leases = pgTable("leases", {
  name: text().primaryKey(),
  holder: text().notNull(),
  until: instant("until").notNull(),
});

// Going over a read model: the newest run of each, which goes on where it stopped, whoever continues it.

import { sql } from "drizzle-orm";
import { bigint, boolean, pgTable, text, uuid } from "drizzle-orm/pg-core";
import { createdAt, instant } from "./columns.ts";

export const readModelRuns = pgTable("read_model_runs", {
  name: text().primaryKey(),
  id: uuid().notNull(),
  /** False: it only compares. */
  heals: boolean().notNull(),
  state: text().notNull().$type<"running" | "done">().default("running"),
  /** The last thing that was gone over. */
  after: text(),
  total: bigint({ mode: "number" }).notNull().default(0),
  done: bigint({ mode: "number" }).notNull().default(0),
  /** How many were not as the truth has them. */
  wrong: bigint({ mode: "number" }).notNull().default(0),
  error: text(),
  leaseUntil: instant("lease_until").notNull().default(sql`now()`),
  createdAt: createdAt(),
  finishedAt: instant("finished_at"),
});

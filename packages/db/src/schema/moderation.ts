// What users report, and what was decided about it.

import { sql } from "drizzle-orm";
import { index, pgTable, primaryKey, text, uuid } from "drizzle-orm/pg-core";
import { createdAt, instant } from "./columns.ts";

export const reports = pgTable(
  "reports",
  {
    /** Who reported. */
    userId: uuid("user_id").notNull(),
    id: uuid().notNull(),
    subjectKind: text("subject_kind").notNull().$type<"user" | "post">(),
    subjectId: uuid("subject_id").notNull(),
    reason: text().notNull(),
    resolvedAt: instant("resolved_at"),
    resolution: text().$type<"upheld" | "dismissed">(),
    resolvedFor: text("resolved_for"),
    resolvedBy: text("resolved_by"),
    createdAt: createdAt(),
  },
  (t) => [
    primaryKey({ columns: [t.userId, t.id] }),
    index("reports_open").on(t.id).where(sql`${t.resolvedAt} is null`),
    index("reports_by_id").on(t.id),
  ],
);

// Posts: the truth from which every timeline can be rebuilt.

import { index, pgTable, primaryKey, text, uuid } from "drizzle-orm/pg-core";
import { createdAt, instant } from "./columns.ts";

export const posts = pgTable(
  "posts",
  {
    userId: uuid("user_id").notNull(),
    id: uuid().notNull(),
    text: text().notNull(),
    createdAt: createdAt(),
    editedAt: instant("edited_at"),
  },
  (t) => [primaryKey({ columns: [t.userId, t.id] }), index("posts_by_id").on(t.id)],
);

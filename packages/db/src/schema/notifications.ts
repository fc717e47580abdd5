// What a user is told of: who followed him, and what was done with his posts or said of him.

import { index, pgTable, primaryKey, text, unique, uuid } from "drizzle-orm/pg-core";
import { createdAt, instant } from "./columns.ts";

export const notifications = pgTable(
  "notifications",
  {
    /** Who is told. */
    userId: uuid("user_id").notNull(),
    id: uuid().notNull(),
    kind: text().notNull().$type<"follow" | "mention" | "reply" | "like" | "repost">(),
    /** Who did it. */
    actorId: uuid("actor_id").notNull(),
    /** Null: it is about no post. */
    postId: uuid("post_id"),
    createdAt: createdAt(),
    readAt: instant("read_at"),
  },
  (t) => [
    primaryKey({ columns: [t.userId, t.id] }),
    // Done, taken back and done again tells of it once.
    unique("notifications_once").on(t.userId, t.kind, t.actorId, t.postId).nullsNotDistinct(),
    index("notifications_by_post").on(t.postId),
    index("notifications_by_actor").on(t.actorId),
  ],
);

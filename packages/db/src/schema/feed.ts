// Posts and what people do with them: the truth from which every timeline and counter can be rebuilt.

import { sql } from "drizzle-orm";
import { index, integer, pgTable, primaryKey, smallint, text, uuid } from "drizzle-orm/pg-core";
import { createdAt, instant } from "./columns.ts";

export const posts = pgTable(
  "posts",
  {
    userId: uuid("user_id").notNull(),
    id: uuid().notNull(),
    text: text().notNull(),
    visibility: text().notNull().$type<"public" | "followers">().default("public"),
    /** The post that it answers, which may be gone. */
    replyTo: uuid("reply_to"),
    hashtags: text().array(),
    links: text().array(),
    createdAt: createdAt(),
    editedAt: instant("edited_at"),
  },
  (t) => [
    primaryKey({ columns: [t.userId, t.id] }),
    index("posts_by_id").on(t.id),
    index("posts_by_parent").on(t.replyTo, t.id).where(sql`${t.replyTo} is not null`),
  ],
);

/** What a post said before an edit, and from when on it said so. */
export const postEdits = pgTable(
  "post_edits",
  {
    userId: uuid("user_id").notNull(),
    postId: uuid("post_id").notNull(),
    id: uuid().notNull(),
    text: text().notNull(),
    writtenAt: instant("written_at").notNull(),
  },
  (t) => [primaryKey({ columns: [t.userId, t.postId, t.id] })],
);

/** Whom a post names, as it names them. `userId` is the one who is named. */
export const mentions = pgTable(
  "mentions",
  {
    userId: uuid("user_id").notNull(),
    postId: uuid("post_id").notNull(),
    handle: text().notNull(),
  },
  (t) => [primaryKey({ columns: [t.userId, t.postId] }), index("mentions_by_post").on(t.postId)],
);

const mark = () => ({
  userId: uuid("user_id").notNull(),
  postId: uuid("post_id").notNull(),
  /** Of the post. */
  authorId: uuid("author_id").notNull(),
  createdAt: createdAt(),
});

export const likes = pgTable("likes", mark(), (t) => [
  primaryKey({ columns: [t.userId, t.postId] }),
  index("likes_by_post").on(t.postId),
]);

export const reposts = pgTable("reposts", mark(), (t) => [
  primaryKey({ columns: [t.userId, t.postId] }),
  index("reposts_by_post").on(t.postId),
]);

/**
 * What was counted of a post, in slots whose sum it is: one as a rule, more where many count at the same moment. Counted in the
 * transaction of what is counted. The migration leaves room on every page, which keeps counting a heap-only update.
 */
export const postCounts = pgTable(
  "post_counts",
  {
    /** Of the post. */
    userId: uuid("user_id").notNull(),
    postId: uuid("post_id").notNull(),
    slot: smallint().notNull(),
    likes: integer().notNull().default(0),
    replies: integer().notNull().default(0),
    reposts: integer().notNull().default(0),
  },
  (t) => [primaryKey({ columns: [t.userId, t.postId, t.slot] })],
);

/** Authors with so many followers that their posts are not pushed but fetched by who reads. */
export const pulledAuthors = pgTable("pulled_authors", {
  userId: uuid("user_id").primaryKey(),
  since: instant("since").notNull().default(sql`now()`),
});

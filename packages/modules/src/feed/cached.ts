// What the feed keeps in the cache: posts, what was counted of them, and which authors are pulled.

import { after, type Soon } from "@signalbox/core/at-once";
import { defineEntity } from "@signalbox/core/cache/cache";
import type { Ctx, Source } from "../ctx.ts";
import type { Entities } from "./entities.ts";

export type StoredPost = {
  id: string;
  userId: string;
  text: string;
  visibility: "public" | "followers";
  replyTo: string | null;
  entities: Entities;
  createdAt: string;
  editedAt: string | null;
};

type Row = Omit<StoredPost, "entities" | "createdAt" | "editedAt"> & {
  hashtags: string[] | null;
  links: string[] | null;
  mentions: Entities["mentions"] | null;
  createdAt: Date;
  editedAt: Date | null;
};

export const posts = defineEntity<Source, StoredPost>({
  name: "feed.post",
  shape: 1,
  // Not in memory: news of a deletion take a moment to arrive there, and a deleted post must not be shown a moment longer.
  ttl: { l1Ms: 0 },
  async load({ sql }, ids) {
    const rows = await sql<Row[]>`
      select id, user_id as "userId", text, visibility, reply_to as "replyTo", hashtags, links,
        created_at as "createdAt", edited_at as "editedAt",
        (select json_agg(json_build_object('id', user_id, 'handle', handle)) from mentions where post_id = posts.id) as mentions
      from posts where id = any(${ids}::uuid[])`;
    return new Map(rows.map((row) => [row.id, toStored(row)]));
  },
});

const toStored = ({ hashtags, links, mentions, createdAt, editedAt, ...row }: Row): StoredPost => ({
  ...row,
  entities: { mentions: mentions ?? [], hashtags: hashtags ?? [], links: links ?? [] },
  createdAt: createdAt.toISOString(),
  editedAt: editedAt?.toISOString() ?? null,
});

export const forgetPosts = ({ cache }: Pick<Ctx, "cache">, ids: string[]) =>
  cache.entity(posts).forget(...ids);

export type Counts = { likes: number; replies: number; reposts: number };

export const counts = defineEntity<Source, Counts>({
  name: "feed.counts",
  shape: 1,
  async load({ sql }, keys) {
    const pairs = keys.map((key) => key.split(":"));
    const rows = await sql<(Counts & { id: string })[]>`
      select asked.post_id as id, coalesce(sum(likes), 0)::int as likes, coalesce(sum(replies), 0)::int as replies,
        coalesce(sum(reposts), 0)::int as reposts
      from unnest(${pairs.map(([userId]) => userId!)}::uuid[], ${pairs.map(([, id]) => id!)}::uuid[]) as asked (user_id, post_id)
      left join post_counts using (user_id, post_id)
      group by asked.post_id`;
    const byId = new Map(rows.map(({ id, ...found }) => [id, found]));
    return new Map(keys.map((key, at) => [key, byId.get(pairs[at]![1]!)!]));
  },
});

/** Counts lie with their author's. */
export const countsKey = ({ userId, id }: { userId: string; id: string }) => `${userId}:${id}`;

export const forgetCounts = ({ cache }: Pick<Ctx, "cache">, keys: string[]) =>
  cache.entity(counts).forget(...keys);

/** What a user marked, as far as it is kept here: his marks on the posts from `downTo` up. */
type Marked = { ids: string[]; downTo: string | null };
export type Marks = { liked: Marked; reposted: Marked };

const maxMarks = 1_000;

const marksOf = (rows: string[]): Marked =>
  rows.length > maxMarks
    ? { ids: rows.slice(0, maxMarks), downTo: rows[maxMarks - 1]! }
    : { ids: rows, downTo: null };

export const marks = defineEntity<Source, Marks>({
  name: "feed.marks",
  shape: 1,
  l1Entries: 2_000,
  async load({ sql }, ids) {
    const rows = await sql<{ id: string; liked: string[]; reposted: string[] }[]>`
      select asked.id,
        array(select post_id from likes where user_id = asked.id order by post_id desc limit ${maxMarks + 1}) as liked,
        array(select post_id from reposts where user_id = asked.id order by post_id desc limit ${maxMarks + 1}) as reposted
      from unnest(${ids}::uuid[]) as asked (id)`;
    return new Map(
      rows.map((row) => [row.id, { liked: marksOf(row.liked), reposted: marksOf(row.reposted) }]),
    );
  },
});

export const forgetMarks = ({ cache }: Pick<Ctx, "cache">, ids: string[]) =>
  cache.entity(marks).forget(...ids);

const everyPulled = "all";

/** All of them, under one id: an author has to have thousands of followers to be among them. */
const pulled = defineEntity<Source, string[]>({
  name: "feed.pulled",
  shape: 1,
  // How long a reader may not know of a new one; fan-out pushes for longer.
  ttl: { l1Ms: 2_000, l2Ms: 60_000 },
  async load({ sql }) {
    const rows = await sql<{ id: string }[]>`select user_id as id from pulled_authors`;
    return new Map([[everyPulled, rows.map(({ id }) => id)]]);
  },
});

export const readPulled = ({ cache }: Pick<Ctx, "cache">): Soon<string[]> =>
  after(cache.entity(pulled).find(everyPulled), ({ value }) => value ?? []);

export const forgetPulled = ({ cache }: Pick<Ctx, "cache">) => cache.entity(pulled).forget(everyPulled);

export const entities = [posts, counts, marks, pulled];

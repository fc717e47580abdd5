// What users keep in the cache: profiles by id, the ids behind handles, and whom each user blocks, mutes or is blocked by.

import { defineEntity } from "@signalbox/core/cache/cache";
import type { Ctx, Source } from "../ctx.ts";

export type StoredProfile = {
  id: string;
  handle: string;
  displayName: string;
  avatar: string | null;
  bio: string;
  links: string[];
  locale: string;
  region: string | null;
  version: number;
  createdAt: string;
  followers: number;
  following: number;
};

type Row = Omit<StoredProfile, "createdAt"> & { createdAt: Date };

const columns = ({ sql }: Source) => sql`
  users.id, users.handle, users.display_name as "displayName", users.avatar, users.bio, users.links, users.locale, users.region,
  users.version, users.created_at as "createdAt",
  coalesce(user_counts.followers, 0) as followers, coalesce(user_counts.following, 0) as following`;

export const toStored = (row: Row): StoredProfile => ({ ...row, createdAt: row.createdAt.toISOString() });

const popularCount = 1_000;

export const profiles = defineEntity<Source, StoredProfile>({
  name: "users.profile",
  shape: 2,
  async load(source, ids) {
    const rows = await source.sql<Row[]>`
      select ${columns(source)} from users left join user_counts on user_counts.user_id = users.id
      where users.id = any(${ids}::uuid[])`;
    return new Map(rows.map((row) => [row.id, toStored(row)]));
  },
  async popular({ sql }) {
    const rows = await sql<{ id: string }[]>`
      select user_id as id from user_counts order by followers desc limit ${popularCount}`;
    return rows.map(({ id }) => id);
  },
});

/** The id of whom a handle leads to, also for a while after he gave it up. */
export const handleOwners = defineEntity<Source, string>({
  name: "users.handle",
  shape: 1,
  async load(source, handles, beside) {
    const rows = await source.sql<(Row & { asked: string })[]>`
      select handles.handle as asked, ${columns(source)}
      from handles join users on users.id = handles.user_id left join user_counts on user_counts.user_id = users.id
      where handles.handle = any(${handles}) and (handles.held_until is null or handles.held_until > now())`;
    // Whoever asks for a handle wants the profile next: one query brings both.
    for (const { asked: _asked, ...row } of rows) beside.seed(profiles, row.id, toStored(row));
    return new Map(rows.map((row) => [row.asked, row.id]));
  },
});

export type Relations = {
  /** Null: too many to keep here, ask the tables. */
  blocks: string[] | null;
  blockedBy: string[] | null;
  mutes: string[] | null;
};

const maxKept = 2_000;

export const relations = defineEntity<Source, Relations>({
  name: "users.relations",
  shape: 1,
  async load({ sql }, ids) {
    const rows = await sql<{ kind: keyof Relations; id: string; others: string[] }[]>`
      select 'blocks' as kind, asked.id, array(
        select target_id from blocks where user_id = asked.id limit ${maxKept + 1}) as others
      from unnest(${ids}::uuid[]) as asked (id)
      union all
      select 'blockedBy', asked.id, array(select user_id from blocks where target_id = asked.id limit ${maxKept + 1})
      from unnest(${ids}::uuid[]) as asked (id)
      union all
      select 'mutes', asked.id, array(select target_id from mutes where user_id = asked.id limit ${maxKept + 1})
      from unnest(${ids}::uuid[]) as asked (id)`;
    const found = new Map<string, Relations>(
      ids.map((id) => [id, { blocks: null, blockedBy: null, mutes: null }]),
    );
    for (const { kind, id, others } of rows) found.get(id)![kind] = others.length > maxKept ? null : others;
    return found;
  },
});

const maxFollowed = 5_000;

/** Whom a user follows. Null: too many to keep here, ask the table. */
export const following = defineEntity<Source, { ids: string[] | null }>({
  name: "users.following",
  shape: 1,
  l1Entries: 2_000,
  async load({ sql }, ids) {
    const rows = await sql<{ id: string; followed: string[] }[]>`
      select asked.id, array(select target_id from follows where user_id = asked.id limit ${maxFollowed + 1}) as followed
      from unnest(${ids}::uuid[]) as asked (id)`;
    return new Map(
      rows.map(({ id, followed }) => [id, { ids: followed.length > maxFollowed ? null : followed }]),
    );
  },
});

export const forgetFollowing = ({ cache }: Pick<Ctx, "cache">, ids: string[]) =>
  cache.entity(following).forget(...ids);

/** After the commit of a follow, a block or an edit. */
export const forgetProfiles = ({ cache }: Pick<Ctx, "cache">, ids: string[]) =>
  cache.entity(profiles).forget(...ids);

export const forgetHandles = ({ cache }: Pick<Ctx, "cache">, handles: string[]) =>
  cache.entity(handleOwners).forget(...handles);

export const forgetRelations = ({ cache }: Pick<Ctx, "cache">, ids: string[]) =>
  cache.entity(relations).forget(...ids);

export const entities = [profiles, handleOwners, relations, following];

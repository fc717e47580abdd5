// Profiles and the handles that lead to them: reading.

import { after, type Soon } from "@signalbox/core/at-once";
import type { Found } from "@signalbox/core/cache/cache";
import { freeze } from "@signalbox/core/cache/stored";
import { AppError } from "@signalbox/core/errors";
import { onceFor } from "@signalbox/core/once-for";
import type { tables } from "@signalbox/db";
import { type SQL, sql } from "@signalbox/db/query";
import type { z } from "zod";
import type { AsUser, Ctx } from "../ctx.ts";
import { markStale } from "../stale.ts";
import { handleOwners, profiles, type StoredProfile } from "./cached.ts";
import { claimOf } from "./handles.ts";
import { profileTag } from "./profile-version.ts";
import { blockedAmong, isBlockedBy, peekBlocked } from "./relations.ts";
import type { ByHandle, OwnProfile, Person, Profile } from "./schema.ts";

type Row = typeof tables.users.$inferSelect;

export const presentPerson = (
  row: Pick<StoredProfile, "id" | "handle" | "displayName" | "avatar">,
): Person => ({
  id: row.id,
  handle: row.handle,
  displayName: row.displayName,
  avatar: row.avatar,
});

const present = (profile: StoredProfile): Profile => ({
  ...presentPerson(profile),
  bio: profile.bio,
  links: profile.links,
  counts: { followers: profile.followers, following: profile.following },
  createdAt: profile.createdAt,
});

/** As it is shown, and its ETag. */
type Shown = { profile: Profile; tag: string };

// The cache hands out one frozen value many times; so does this, and whoever writes it as JSON can keep the text with it.
const presentShared = onceFor(
  (profile: StoredProfile): Shown => ({ profile: freeze(present(profile)), tag: profileTag(profile) }),
);

export const presentOwn = (profile: StoredProfile): OwnProfile => ({
  ...present(profile),
  locale: profile.locale,
  region: profile.region,
});

export type Account = Pick<Row, "id" | "handle" | "displayName">;

/**
 * For auth: the parts of a registration's statement that make a profile. `claimed` has a row where the handle was free, and
 * nothing is written where it was not. Afterwards forgetHandles() is due.
 */
export const newProfile = (
  ctx: Pick<Ctx, "secret">,
  { id, handle, region = null }: Pick<Row, "id" | "handle"> & { region?: string | null },
  asked?: SQL,
): SQL => sql`
  claimed as (${claimOf(ctx, handle, id, asked)}),
  counted as (insert into user_counts (user_id) select user_id from claimed),
  profiled as (
    insert into users (id, handle, display_name, region)
    select user_id, ${handle}, ${handle}, ${region} from claimed)`;

/** For auth: from the tables, never from the cache. A question by itself, or a part of another one. */
export function accountBy({ sql }: Pick<Ctx, "sql">, by: { id: string } | { handle: string }) {
  const columns = sql`users.id, users.handle, display_name as "displayName"`;
  return "id" in by
    ? sql<Account[]>`select ${columns} from users where id = ${by.id}`
    : sql<Account[]>`
        select ${columns} from handles join users on users.id = handles.user_id
        where handles.handle = ${by.handle} and (held_until is null or held_until > now())`;
}

export async function findAccount(
  ctx: Pick<Ctx, "sql">,
  by: { id: string } | { handle: string },
): Promise<Account | undefined> {
  const [found] = await accountBy(ctx, by);
  return found;
}

/** Waits for nothing where this process has all of it in memory, and otherwise for what it has not. */
export function readProfile(ctx: Ctx, { handle }: z.infer<typeof ByHandle>): Profile | Promise<Profile> {
  const owner = ctx.cache.entity(handleOwners).find(handle);
  return owner instanceof Promise
    ? owner.then(({ value }) => readProfileOf(ctx, value, handle))
    : readProfileOf(ctx, owner.value, handle);
}

function readProfileOf(ctx: Ctx, id: string | undefined, handle: string): Profile | Promise<Profile> {
  if (id === undefined) throw unknown(handle);
  const found = ctx.cache.entity(profiles).find(id);
  return found instanceof Promise
    ? found.then((found) => showProfile(ctx, found, handle))
    : showProfile(ctx, found, handle);
}

function showProfile(ctx: Ctx, found: Found<StoredProfile>, handle: string): Profile | Promise<Profile> {
  const { value } = found;
  if (value === undefined) throw unknown(handle);
  const refused = refuseBlocked(ctx, value, handle);
  if (refused !== undefined) return refused.then(() => describeProfile(ctx, found, value, handle));
  return describeProfile(ctx, found, value, handle);
}

function describeProfile(ctx: Ctx, found: Found<unknown>, value: StoredProfile, handle: string): Profile {
  const { profile, tag } = presentShared(value);
  describeAnswer(ctx, found, tag);
  if (value.handle !== handle) ctx.answer.headers["Content-Location"] = `/users/${value.handle}`;
  return profile;
}

export async function readOwnProfile(ctx: AsUser): Promise<OwnProfile> {
  const found = await ctx.cache.entity(profiles).find(ctx.actor.id);
  if (!found.value) throw new AppError("unauthorized", "this account no longer exists");
  describeAnswer(ctx, found, profileTag(found.value), { own: true });
  return presentOwn(found.value);
}

type Present = Found<StoredProfile> & { value: StoredProfile };

/** Validators and how long others may keep the answer. Only what a guest was given is for everyone. */
function describeAnswer(ctx: Ctx, found: Found<unknown>, tag: string, { own = false } = {}): void {
  const { headers } = ctx.answer;
  headers.ETag = tag;
  headers.Vary = "Authorization";
  headers["Cache-Control"] = own || ctx.actor.kind !== "guest" ? "private, no-cache" : forAll(ctx, found);
  markStale(ctx, ctx.cache.entity(profiles), found);
}

function forAll({ cache }: Ctx, { stale }: Found<unknown>): string {
  const { cdnSeconds, staleMs } = cache.entity(profiles).ttl();
  return stale || cdnSeconds === 0
    ? "public, no-cache"
    : `public, max-age=0, s-maxage=${cdnSeconds}, stale-if-error=${Math.round(staleMs / 1_000)}`;
}

const unknown = (handle: string) => new AppError("not_found", `there is no user @${handle}`);

async function findProfile({ cache }: Ctx, handle: string): Promise<Present> {
  const { value: id } = await cache.entity(handleOwners).find(handle);
  const found = id === undefined ? undefined : await cache.entity(profiles).find(id);
  if (found?.value === undefined) throw unknown(handle);
  return { ...found, value: found.value };
}

/** Whom a user blocked, to him that user is not there. Waits where this process does not know. */
function refuseBlocked(ctx: Ctx, { id }: StoredProfile, handle: string): Promise<void> | undefined {
  if (ctx.actor.kind !== "user") return undefined;
  const refuse = (hidden: boolean): undefined => {
    if (hidden) throw unknown(handle);
  };
  const hidden = peekBlocked(ctx, ctx.actor.id, id);
  return hidden === undefined ? isBlockedBy(ctx, ctx.actor.id, id).then(refuse) : refuse(hidden);
}

/** The user behind a handle in a path, or the refusal that a caller can read. */
export async function knownUser(ctx: Ctx, handle: string): Promise<StoredProfile> {
  const { value } = await findProfile(ctx, handle);
  await refuseBlocked(ctx, value, handle);
  return value;
}

/** The same, also where that user blocked the caller: for what concerns the caller's own lists only. */
export async function anyUser(ctx: Ctx, handle: string): Promise<StoredProfile> {
  return (await findProfile(ctx, handle)).value;
}

/** For modules that show people beside their own things. */
export async function readPerson({ cache }: Pick<Ctx, "cache">, id: string): Promise<Person | undefined> {
  const { value } = await cache.entity(profiles).find(id);
  return value && presentPerson(value);
}

export const readPeople = (ctx: Ctx, ids: string[]): Soon<Map<string, Person>> =>
  after(
    ctx.cache.entity(profiles).readMany(ids),
    (found) => new Map(Array.from(found, ([id, profile]) => [id, personOf(profile)])),
  );

/** The same in the order of the ids. */
export const listPeople = (ctx: Ctx, ids: string[]): Soon<(Person | undefined)[]> =>
  after(ctx.cache.entity(profiles).list(ids), (found) =>
    found.map((profile) => profile && personOf(profile)),
  );

/** Frozen and the same for the same profile, as the profile itself is while the cache holds it. */
const personOf = onceFor((profile: StoredProfile): Person => Object.freeze(presentPerson(profile)));

/** Whom handles in a text lead to, as far as they lead to someone who has not blocked the writer. */
export async function idsOfHandles(ctx: Ctx, names: string[]): Promise<Map<string, string>> {
  if (names.length === 0) return new Map();
  const found = await ctx.cache.entity(handleOwners).readMany(names);
  if (ctx.actor.kind !== "user") return found;
  const hidden = await blockedAmong(ctx, ctx.actor.id, [...found.values()]);
  return new Map([...found].filter(([, id]) => !hidden.has(id)));
}

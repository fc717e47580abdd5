// The home timeline: a Redis list of post ids (16 bytes each) for every user who reads one. Its last entry is its floor: the list
// holds every post above that id. Ids arrive out of order after a fault, so the floor is remembered and not guessed from what is left.
// While a list is being built its last entry is the builder's token, which is longer than an id: pushes already collect above it.
// A timeline is only ever a copy: what is missing is built again from Postgres, and reading goes on there below the floor.

import { AsyncLocalStorage } from "node:async_hooks";
import { randomBytes } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { type LuaScript, luaScript } from "@signalbox/core/bus/script";
import { createLoadGate } from "@signalbox/core/cache/load-gate";
import type { Ctx } from "../ctx.ts";
import { blockedAmong, followedIds, mutedAmong } from "../users/index.ts";
import { beginning, decodeId, idBytes, openTimeline, type Timeline } from "./entries.ts";

/** Trimming at each push would cost more than a few entries too many. */
const slack = 0.1;
const idleSeconds = 30 * 24 * 3600;
/** A build that takes longer has died. */
const buildSeconds = 20;

const buckets = 64;
/** Users share hash tags in so many groups, so that on a Cluster one script serves all lists of a group. */
const bucketOf = (userId: string) => Number.parseInt(userId.slice(-4), 16) % buckets;
export const timelineKey = (userId: string) => `feed:{${bucketOf(userId)}}:home:${userId}`;

type Store = Pick<Ctx, "redis">;

export const windowOf = ({ live, now }: Pick<Ctx, "live" | "now">) =>
  live.rules().number("feed.timelineEntries", now().getTime());

// One argument of bytes would make ioredis copy every key of the call as bytes too.
const idOfText = `local id = string.gsub(ARGV[1], "%x%x", function(digits) return string.char(tonumber(digits, 16)) end)`;
const textOf = (id: string) => id.replaceAll("-", "");

// Only lists that exist are pushed to: who does not read costs nothing, and a missing list can not pass for a whole one.
// Lua compares strings by the server's locale, so ids are compared byte by byte; that happens at a trim only.
const push = luaScript(`
local function above(a, b)
  for at = 1, ${idBytes} do
    local x, y = string.byte(a, at), string.byte(b, at)
    if x ~= y then return x > y end
  end
  return false
end
${idOfText}
local size, most = tonumber(ARGV[2]), tonumber(ARGV[3])
for _, key in ipairs(KEYS) do
  if redis.call("LPUSHX", key, id) > most then
    local floor = redis.call("LINDEX", key, -1)
    if #floor == ${idBytes} then
      for _, cut in ipairs(redis.call("LRANGE", key, size, -2)) do
        if above(cut, floor) then floor = cut end
      end
      redis.call("LTRIM", key, 0, size - 1)
      redis.call("RPUSH", key, floor)
    end
  end
end`);

// The floor stays: without it a lower one would be taken for it.
const remove = luaScript(`
${idOfText}
for _, key in ipairs(KEYS) do
  local last = redis.call("LINDEX", key, -1)
  if last and last ~= id then redis.call("LREM", key, 0, id) end
end`);

const drop = luaScript(`for _, key in ipairs(KEYS) do redis.call("UNLINK", key) end`);

/** Pushing the same id twice is harmless: a reader drops the second. */
export function pushToTimelines(
  store: Store & Pick<Ctx, "live" | "now">,
  userIds: string[],
  postId: string,
): Promise<void> {
  const size = windowOf(store);
  return onLists(store, push, userIds, textOf(postId), size, size + Math.ceil(size * slack));
}

export const removeFromTimelines = (store: Store, userIds: string[], postId: string) =>
  onLists(store, remove, userIds, textOf(postId));

/** The next read builds them anew: for changes that touch many entries, such as a follow. */
export const dropTimelines = (store: Store, userIds: string[]) => onLists(store, drop, userIds);

/** What one script does before others have their turn: about a millisecond. */
const atOnce = 500;
const inChunks = (ids: string[]) =>
  Array.from({ length: Math.ceil(ids.length / atOnce) }, (_, n) => ids.slice(n * atOnce, (n + 1) * atOnce));

async function onLists(
  { redis }: Store,
  script: LuaScript,
  userIds: string[],
  ...words: (string | number)[]
): Promise<void> {
  const reachable = redis.isCluster ? [...Map.groupBy(userIds, bucketOf).values()] : [userIds];
  await Promise.all(reachable.flatMap(inChunks).map((ids) => script(redis, ids.map(timelineKey), words)));
}

/** Undefined: there is no list yet, and one is being built while the reader is served from Postgres. */
export async function readTimeline(ctx: Ctx, userId: string): Promise<Timeline | undefined> {
  const key = timelineKey(userId);
  const entries = await ctx.redis.lrangeBuffer(key, 0, -1);
  const last = entries.at(-1);
  if (last?.length === idBytes) {
    // Who reads stays among those who are pushed to.
    if (Math.random() < 0.05) ctx.redis.expire(key, idleSeconds).catch(() => {});
    return openTimeline(entries);
  }
  if (!last) buildSoon(ctx, userId);
  return undefined;
}

const buildKey = ({ redis }: Store, userId: string) => (redis.options.keyPrefix ?? "") + userId;

// Who finds no list is given his page from the tables, which is a small part of a list's cost. After a flush everyone needs one: they are
// built one after the other, and with pauses, so that readers and not their lists have the database and this process.
const soon = new Map<string, { ctx: Ctx; userId: string }>();
const mostSoon = 10_000;
const restPart = 3;
const mostRestMs = 100;
let isBuilding = false;
/** Not within the call that found it missing, which may end before. */
const apart = AsyncLocalStorage.snapshot();

function buildSoon(ctx: Ctx, userId: string): void {
  if (soon.size >= mostSoon) return;
  soon.set(buildKey(ctx, userId), { ctx, userId });
  if (isBuilding) return;
  isBuilding = true;
  apart(() => setImmediate(buildAll));
}

async function buildAll(): Promise<void> {
  for (const [key, { ctx, userId }] of soon) {
    soon.delete(key);
    const from = performance.now();
    await buildTimeline(ctx, userId).catch((error) =>
      ctx.log.warn(
        { error, requestId: ctx.requestId },
        "a home timeline was not built; the next read tries again",
      ),
    );
    if (soon.size > 0) await pause(Math.min(restPart * (performance.now() - from), mostRestMs));
  }
  isBuilding = false;
}

// One build a user and process at a time.
const building = new Map<string, Promise<void>>();
const gate = createLoadGate(() => 4, { maxWaiting: 10_000, waitMs: 60_000 });

export function buildTimeline(ctx: Ctx, userId: string): Promise<void> {
  const key = buildKey(ctx, userId);
  let build = building.get(key);
  if (!build) {
    build = gate.run(() => buildOnce(ctx, userId)).finally(() => building.delete(key));
    building.set(key, build);
  }
  return build;
}

const beginScript = `
if redis.call("EXISTS", KEYS[1]) == 1 then return 0 end
redis.call("RPUSH", KEYS[1], ARGV[1])
return redis.call("EXPIRE", KEYS[1], ${buildSeconds})`;

// Not where the list was dropped meanwhile: what was read may be what the drop was about.
const installScript = `
if redis.call("LINDEX", KEYS[1], -1) ~= ARGV[1] then return 0 end
redis.call("RPOP", KEYS[1])
for from = 2, #ARGV, 500 do redis.call("RPUSH", KEYS[1], unpack(ARGV, from, math.min(from + 499, #ARGV))) end
return redis.call("EXPIRE", KEYS[1], ${idleSeconds})`;

async function buildOnce(ctx: Ctx, userId: string): Promise<void> {
  const key = timelineKey(userId);
  const token = Buffer.concat([Buffer.from("b"), randomBytes(idBytes)]);
  // Before the truth is read: a post committed from now on is in the rows, in the list or in both.
  if ((await ctx.redis.eval(beginScript, 1, key, token)) === 0) return;
  const size = windowOf(ctx);
  const entries = await newestEntries(ctx, await feedAuthors(ctx, userId), size);
  if (entries.length < size) entries.push(beginning);
  await ctx.redis.eval(installScript, 1, key, token, ...entries);
}

/** Whose posts a home feed is made of. */
export const feedAuthors = async (ctx: Ctx, userId: string): Promise<string[]> =>
  unhidden(ctx, userId, await followedIds(ctx, userId));

/** The reader, and of those whom he follows everyone whom he sees. */
export async function unhidden(ctx: Ctx, userId: string, followed: string[]): Promise<string[]> {
  const [blocked, muted] = await Promise.all([
    blockedAmong(ctx, userId, followed),
    mutedAmong(ctx, userId, followed),
  ]);
  return [userId, ...followed.filter((id) => !blocked.has(id) && !muted.has(id))];
}

/**
 * The newest posts of many authors, as a list holds them. Of each author a few are read, and more only of those whose few are all
 * among the newest.
 */
async function newestEntries(
  { sql }: Pick<Ctx, "sql">,
  authorIds: string[],
  windowSize: number,
): Promise<Buffer[]> {
  let found: Buffer[] = [];
  let asked = authorIds.map((id): Asked => ({ id, below: null }));
  let each = Math.min(windowSize, Math.ceil((2 * windowSize) / authorIds.length) + 10);
  while (asked.length > 0) {
    // As bytes and in one value: a thousand rows would cost this process more than the database.
    const [part] = await sql<{ ids: Buffer | null; more: Asked[] | null }[]>`
      with found as materialized (
        select author.id as author, post.id
        from unnest(${asked.map(({ id }) => id)}::uuid[], ${asked.map(({ below }) => below)}::uuid[]) as author (id, below)
        cross join lateral (
          select id from posts where user_id = author.id and (author.below is null or posts.id < author.below)
          order by id desc limit ${each}
        ) as post
      ), newest as (select id from found order by id desc limit ${windowSize})
      select (select string_agg(uuid_send(id), ''::bytea order by id desc) from newest) as ids,
        (select json_agg(json_build_object('id', author, 'below', below)) from (
          select author, (array_agg(id order by id))[1] as below from found group by author having count(*) = ${each}
        ) as full_ones) as more`;
    found = [...found, ...entriesOf(part!.ids)].sort((a, b) => b.compare(a)).slice(0, windowSize);
    const lowest = found.length < windowSize ? undefined : decodeId(found.at(-1)!);
    asked = (part!.more ?? []).filter(({ below }) => lowest === undefined || below! > lowest);
    each = windowSize;
  }
  return found;
}

type Asked = { id: string; below: string | null };

const entriesOf = (bytes: Buffer | null): Buffer[] =>
  Array.from({ length: (bytes?.length ?? 0) / idBytes }, (_, n) =>
    bytes!.subarray(n * idBytes, (n + 1) * idBytes),
  );

/** The same as ids. */
export const newestWindow = async (
  ctx: Pick<Ctx, "sql">,
  authorIds: string[],
  windowSize: number,
): Promise<string[]> => (await newestEntries(ctx, authorIds, windowSize)).map(decodeId);

/** Undefined: there is no list, or it is being built. */
export async function readEntries(
  { redis }: Store,
  userId: string,
): Promise<{ ids: string[]; floor: string } | undefined> {
  const entries = await redis.lrangeBuffer(timelineKey(userId), 0, -1);
  const last = entries.at(-1);
  if (last?.length !== idBytes) return undefined;
  const floor = decodeId(last);
  const ids = new Set(entries.map(decodeId));
  return { ids: [...ids].filter((id) => id > floor), floor };
}

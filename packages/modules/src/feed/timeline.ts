// The home timeline: a Redis list of post ids (16 bytes each) for every user who reads one. Its last entry is its floor: the list holds
// every post above that id. Ids arrive out of order after a fault, so the floor is remembered and not guessed from what is left.
// A timeline is only ever a copy: what is missing is built again from Postgres, and reading goes on there below the floor.

import { AppError } from "@signalbox/core/errors";
import { newId } from "@signalbox/core/ids";
import type { Ctx } from "../ctx.ts";
import { followedIds } from "../users/index.ts";
import { postsBefore } from "./posts.ts";

const windowSize = 800;
/** Trimming at each push would cost more than a few entries too many. */
const slack = 80;
const idleSeconds = 30 * 24 * 3600;
const buildSeconds = 60;
/** The floor of a list that reaches back to the beginning. */
const beginning = Buffer.alloc(16);

const listKey = (userId: string) => `feed:{${userId}}:home`;
/** Takes the pushes that arrive while a list is being built, so that none falls between reading the truth and writing the list. */
const lateKey = (userId: string) => `feed:{${userId}}:late`;
/** Changes when the list is dropped: a build that began before must not bring the old one back. */
const generationKey = (userId: string) => `feed:{${userId}}:generation`;

// Only lists that exist are pushed to: who does not read costs nothing, and a missing list can not pass for a whole one.
// Lua compares strings by the server's locale, so ids are compared byte by byte; that happens at a trim only.
const pushScript = `
local function above(a, b)
  for at = 1, 16 do
    local x, y = string.byte(a, at), string.byte(b, at)
    if x ~= y then return x > y end
  end
  return false
end
local limit = tonumber(ARGV[2])
for _, key in ipairs(KEYS) do
  if redis.call("LPUSHX", key, ARGV[1]) > limit + tonumber(ARGV[3]) then
    local floor = redis.call("LINDEX", key, -1)
    for _, id in ipairs(redis.call("LRANGE", key, limit, -2)) do
      if above(id, floor) then floor = id end
    end
    redis.call("LTRIM", key, 0, limit - 1)
    redis.call("RPUSH", key, floor)
  end
end`;

/** Pushing the same id twice is harmless: a reader drops the second. */
export async function pushToTimelines(ctx: Ctx, userIds: string[], postId: string): Promise<void> {
  const keys = userIds.flatMap((userId) => [listKey(userId), lateKey(userId)]);
  await ctx.redis.eval(pushScript, keys.length, ...keys, encodeId(postId), windowSize, slack);
}

/** The next read builds it anew: for changes that touch many entries, such as a follow. */
export async function dropTimeline(ctx: Ctx, userId: string): Promise<void> {
  await ctx.redis.multi().set(generationKey(userId), newId(), "EX", 3600).del(listKey(userId)).exec();
}

export type Skeleton = {
  /** Newest first, each once, and every one there is above the floor. */
  ids: string[];
  /** Posts older than `ids` exist in Postgres only. */
  more: boolean;
};

export async function readTimeline(ctx: Ctx, userId: string): Promise<Skeleton> {
  const entries = await ctx.redis.lrangeBuffer(listKey(userId), 0, -1);
  return entries.length > 0 ? decode(entries) : buildTimeline(ctx, userId);
}

// One build a user and process at a time; the rest wait for its answer.
const building = new Map<string, Promise<Skeleton>>();

function buildTimeline(ctx: Ctx, userId: string): Promise<Skeleton> {
  let build = building.get(userId);
  if (!build) {
    build = buildOnce(ctx, userId).finally(() => building.delete(userId));
    building.set(userId, build);
  }
  return build;
}

// What is there already stays (another process may have built it a moment ago); a reader sorts and drops what is twice.
// Nothing is installed where the list was dropped meanwhile, or where so much came late that the late list itself was trimmed.
const installScript = `
local late = redis.call("LRANGE", KEYS[2], 0, -1)
local whole = table.remove(late) == ARGV[3]
if whole and (redis.call("GET", KEYS[3]) or "") == ARGV[1] then
  redis.call("DEL", KEYS[2])
  if #late > 0 then redis.call("LPUSH", KEYS[1], unpack(late)) end
  for from = 4, #ARGV, 500 do redis.call("RPUSH", KEYS[1], unpack(ARGV, from, math.min(from + 499, #ARGV))) end
  redis.call("EXPIRE", KEYS[1], ARGV[2])
end`;

async function buildOnce(ctx: Ctx, userId: string): Promise<Skeleton> {
  const [list, late, generation] = [listKey(userId), lateKey(userId), generationKey(userId)];
  const began = (await ctx.redis.get(generation)) ?? "";
  // Before the truth is read: a post committed from now on is in the rows, in the late list or in both.
  await ctx.redis.multi().rpush(late, beginning).expire(late, buildSeconds).exec();
  const rows = await postsBefore(ctx, await feedAuthors(ctx, userId), undefined, windowSize);
  const entries = rows.map((row) => encodeId(row.id));
  if (rows.length < windowSize) entries.push(beginning);
  await ctx.redis.eval(installScript, 3, list, late, generation, began, idleSeconds, beginning, ...entries);
  return decode(entries);
}

/** Whose posts a home feed is made of. */
export const feedAuthors = async (ctx: Ctx, userId: string) => [userId, ...(await followedIds(ctx, userId))];

function decode(entries: Buffer[]): Skeleton {
  const floor = entries.at(-1) ?? beginning;
  const above = entries.filter((entry) => entry.compare(floor) > 0);
  // In hex, byte order and text order are one.
  return { ids: [...new Set(above.map(decodeId))].sort().reverse(), more: !floor.equals(beginning) };
}

const encodeId = (id: string) => Buffer.from(id.replaceAll("-", ""), "hex");

function decodeId(bytes: Buffer): string {
  if (bytes.length !== 16) throw new AppError("internal", "a timeline entry is not an id");
  const text = bytes.toString("hex");
  return `${text.slice(0, 8)}-${text.slice(8, 12)}-${text.slice(12, 16)}-${text.slice(16, 20)}-${text.slice(20)}`;
}

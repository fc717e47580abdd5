// Tells whoever holds a user's live streams that there may be something new. Only a hint: who misses it looks by himself a
// few seconds later. Who is live stands in one sorted set, by until when, so that a fan-out asks once a chunk and tells the few.

import { luaScript } from "@signalbox/core/bus/script";
import type { Redis } from "@signalbox/core/redis";
import type { Ctx } from "../ctx.ts";

export const wakeChannel = "live:wake";
const liveKey = "live:users";
/** Who is not said to be live again within this is not. */
const liveMs = 60_000;

const wake = luaScript(`
local scores = redis.call("ZMSCORE", KEYS[1], unpack(ARGV, 2))
local live = {}
for at, score in ipairs(scores) do
  if score and tonumber(score) > tonumber(ARGV[1]) then live[#live + 1] = ARGV[at + 1] end
end
if #live > 0 then redis.call("PUBLISH", "${wakeChannel}", table.concat(live, " ")) end
return #live`);

/** From here on those who are live are mostly the fewer. */
const many = 500;

export async function wakeLive({ redis, log }: Pick<Ctx, "redis" | "log">, userIds: string[]): Promise<void> {
  if (userIds.length === 0) return;
  try {
    const live = userIds.length < many ? undefined : await allLive(redis, userIds.length);
    if (!live) await wake(redis, [liveKey], [Date.now(), ...userIds]);
    else if (live.size > 0) {
      const woken = userIds.filter((id) => live.has(id));
      if (woken.length > 0) await redis.publish(wakeChannel, woken.join(" "));
    }
  } catch (error) {
    log.debug({ error }, "live streams were not woken; they look by themselves");
  }
}

/** Undefined where there are more. */
async function allLive(redis: Redis, most: number): Promise<Set<string> | undefined> {
  const ids = await readLive(redis, most);
  return ids.length < most ? new Set(ids) : undefined;
}

const readLive = (redis: Redis, most: number) =>
  redis.zrange(liveKey, Date.now(), "+inf", "BYSCORE", "LIMIT", 0, most);

const mostLive = 5_000;

/** For what is not brought to each follower: of those who are live, the ones who follow. */
export async function wakeLiveFollowers(ctx: Pick<Ctx, "redis" | "log" | "sql">, userId: string) {
  const live = await readLive(ctx.redis, mostLive).catch(() => []);
  if (live.length === 0) return;
  const rows = await ctx.sql<{ id: string }[]>`
    select user_id as id from follows where target_id = ${userId} and user_id = any(${live}::uuid[])`;
  await wakeLive(
    ctx,
    rows.map(({ id }) => id),
  );
}

/** Said again every so often for all users with a stream here. */
export async function sayLive(redis: Redis, userIds: string[]): Promise<void> {
  const nowMs = Date.now();
  const pipeline = redis.pipeline().zremrangebyscore(liveKey, "-inf", nowMs);
  if (userIds.length > 0) pipeline.zadd(liveKey, ...userIds.flatMap((id) => [nowMs + liveMs, id]));
  await pipeline.pexpire(liveKey, liveMs).exec();
}

export const sayGone = (redis: Redis, userId: string) => redis.zrem(liveKey, userId);

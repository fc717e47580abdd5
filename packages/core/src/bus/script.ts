// A Lua script that is sent once and then called by its hash: what must be one step in Redis.

import { createHash } from "node:crypto";
import type { Redis } from "../redis.ts";

type Value = string | number | Buffer;
type Run<Answer> = (redis: Redis, keys: string[], values: Value[]) => Promise<Answer>;
export type LuaScript = Run<unknown>;

export const luaScript = (source: string): LuaScript =>
  sentOnce(
    source,
    (redis, hash, words) => redis.evalsha(hash, ...words),
    (redis, words) => redis.eval(source, ...words),
  );

/** One whose answer is bytes, and no text. */
export const luaBytes = (source: string): Run<Buffer> =>
  sentOnce(
    source,
    (redis, hash, words) => redis.callBuffer("evalsha", hash, ...words) as Promise<Buffer>,
    (redis, words) => redis.callBuffer("eval", source, ...words) as Promise<Buffer>,
  );

type Words = [keys: number, ...words: Value[]];

function sentOnce<Answer>(
  source: string,
  byHash: (redis: Redis, hash: string, words: Words) => Promise<Answer>,
  whole: (redis: Redis, words: Words) => Promise<Answer>,
): Run<Answer> {
  const hash = createHash("sha1").update(source).digest("hex");
  return async (redis, keys, values) => {
    const words: Words = [keys.length, ...keys, ...values];
    try {
      return await byHash(redis, hash, words);
    } catch (error) {
      if (!(error instanceof Error && error.message.startsWith("NOSCRIPT"))) throw error;
      return whole(redis, words);
    }
  };
}

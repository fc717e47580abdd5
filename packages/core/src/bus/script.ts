// A Lua script that is sent once and then called by its hash: what must be one step in Redis.

import { createHash } from "node:crypto";
import type { Redis } from "../redis.ts";

export type LuaScript = (
  redis: Redis,
  keys: string[],
  values: (string | number | Buffer)[],
) => Promise<unknown>;

export function luaScript(source: string): LuaScript {
  const hash = createHash("sha1").update(source).digest("hex");
  return async (redis, keys, values) => {
    try {
      return await redis.evalsha(hash, keys.length, ...keys, ...values);
    } catch (error) {
      if (!(error instanceof Error && error.message.startsWith("NOSCRIPT"))) throw error;
      return redis.eval(source, keys.length, ...keys, ...values);
    }
  };
}

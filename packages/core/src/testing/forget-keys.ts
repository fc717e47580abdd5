// What a test wrote to the Redis that it shares with others goes when it ends.

import type { Redis } from "../redis.ts";

export async function forgetKeys(redis: Redis, pattern: string): Promise<void> {
  let cursor = "0";
  do {
    const [next, found] = await redis.scan(cursor, "MATCH", pattern, "COUNT", 1_000);
    for (const key of found) await redis.del(key);
    cursor = next;
  } while (cursor !== "0");
}

// The fast path of a change: the whole new document through Redis, and each process's word back that it decides by it now.

import type { Redis } from "@signalbox/core/redis";
import type { Seal, Sealed } from "./seal.ts";

/** Keys and channels of the control plane; channels are shared by all databases of a Redis, so they carry the prefix too. */
export const controlKeys = (prefix = "signalbox") => ({
  document: `${prefix}:{control}:document`,
  confirmed: `${prefix}:{control}:confirmed`,
  pushes: `${prefix}:control:pushes`,
  confirmations: `${prefix}:control:confirmations`,
});

export type Confirmation = {
  instance: string;
  revision: number;
  head: string;
  overridden: string[];
  at: number;
};

// An older document never replaces a newer one, whichever of two processes is slower. Forced: the log itself went back.
const storeAndPublish = `
local stored = redis.call('HGET', KEYS[1], 'revision')
if ARGV[4] == '1' or not stored or tonumber(stored) <= tonumber(ARGV[1]) then
  redis.call('HSET', KEYS[1], 'revision', ARGV[1], 'sealed', ARGV[2])
end
return redis.call('PUBLISH', ARGV[3], ARGV[2])`;

export async function push(
  { redis, seal, prefix }: { redis: Redis; seal: Seal; prefix?: string },
  sealed: Sealed,
  { forced = false } = {},
): Promise<void> {
  const keys = controlKeys(prefix);
  await redis.eval(
    storeAndPublish,
    1,
    keys.document,
    String(sealed.head.revision),
    seal.close(sealed),
    keys.pushes,
    forced ? "1" : "0",
  );
}

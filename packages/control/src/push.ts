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
  /** Of the newest event of the log in it; acts that the log does not have yet stand after it. */
  head: string;
  pending: number;
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

/** With the acts that the log does not have yet. */
export const revisionOf = ({ head, pending = [] }: Sealed): number => head.revision + pending.length;

// Only on top of what whoever acted had seen: otherwise what is stored comes back, to decide upon anew.
const storeIfUnchanged = `
local stored = redis.call('HGET', KEYS[1], 'revision')
if stored and tonumber(stored) > tonumber(ARGV[1]) then return redis.call('HGET', KEYS[1], 'sealed') end
redis.call('HSET', KEYS[1], 'revision', ARGV[2], 'sealed', ARGV[3])
redis.call('PUBLISH', ARGV[4], ARGV[3])
return false`;

/** Pushes an act that the log does not have; answers what is stored where somebody else was faster. */
export async function pushPending(
  { redis, seal, prefix }: { redis: Redis; seal: Seal; prefix?: string },
  sealed: Sealed,
  seen: number,
): Promise<string | undefined> {
  const keys = controlKeys(prefix);
  const stored = await redis.eval(
    storeIfUnchanged,
    1,
    keys.document,
    String(seen),
    String(revisionOf(sealed)),
    seal.close(sealed),
    keys.pushes,
  );
  return typeof stored === "string" ? stored : undefined;
}

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
    String(revisionOf(sealed)),
    seal.close(sealed),
    keys.pushes,
    forced ? "1" : "0",
  );
}

// Who consumes what: live workers share the partitions of a group evenly, each partition held by one at a time.
// A lease is a key that runs out by itself; its token lets Redis refuse the positions of someone who lost it.

import type { Redis } from "../redis.ts";
import type { BusKeys } from "./keys.ts";
import { hashKey } from "./partition.ts";
import { luaScript } from "./script.ts";

export const leaseMs = 2_000;
const memberMs = 1_800;

const join = luaScript(`
local now = redis.call('TIME')
local ms = now[1] * 1000 + math.floor(now[2] / 1000)
redis.call('ZADD', KEYS[1], ms + ARGV[2], ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ms)
redis.call('PEXPIRE', KEYS[1], 60000)
return redis.call('ZRANGE', KEYS[1], 0, -1)
`);

const acquire = luaScript(`
local now = redis.call('TIME')
local token = ARGV[1] .. ' ' .. string.format('%.0f', now[1] * 1000000 + now[2])
local holder = redis.call('GET', KEYS[1])
if holder and string.sub(holder, 1, #ARGV[1] + 1) ~= ARGV[1] .. ' ' then return false end
redis.call('SET', KEYS[1], token, 'PX', ARGV[2])
return token
`);

const renew = luaScript(`
local kept = {}
for i = 1, #KEYS do
  if redis.call('GET', KEYS[i]) == ARGV[i + 1] then
    redis.call('PEXPIRE', KEYS[i], ARGV[1])
    kept[i] = 1
  else kept[i] = 0 end
end
return kept
`);

const release = luaScript(`
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
`);

export type Lease = { group: string; partition: number; token: string };

export function leases(redis: Redis, keys: BusKeys, worker: string) {
  const keyOf = ({ group, partition }: { group: string; partition: number }) => keys.lease(partition, group);
  return {
    /** Says that we live; answers who else does, in an order that all agree on. */
    async join(group: string): Promise<string[]> {
      const members = (await join(redis, [keys.members(group)], [worker, memberMs])) as string[];
      return members.sort();
    },
    leave: (group: string) => redis.zrem(keys.members(group), worker),
    async acquire(group: string, partition: number): Promise<Lease | undefined> {
      const token = await acquire(redis, [keys.lease(partition, group)], [worker, leaseMs]);
      return typeof token === "string" ? { group, partition, token } : undefined;
    },
    /** Of leases on one partition: which are still ours. */
    async renew(held: Lease[]): Promise<boolean[]> {
      const kept = await renew(redis, held.map(keyOf), [leaseMs, ...held.map(({ token }) => token)]);
      return (kept as number[]).map((flag) => flag === 1);
    },
    release: (lease: Lease) => release(redis, [keyOf(lease)], [lease.token]),
  };
}

/** How workers of a canary's release are called among the members. */
export const canaryMark = "~canary";

/**
 * The worker whose turn it is. Groups begin at different workers, so that small ones do not pile up on the first. Workers of the
 * canary track take what is theirs and nothing else, and nobody else takes it, as long as both kinds live.
 */
export function ownerOf(
  group: string,
  partition: number,
  members: string[],
  isCanary = false,
): string | undefined {
  const own = members.filter((member) => member.endsWith(canaryMark) === isCanary);
  const eligible = own.length > 0 ? own : members;
  return eligible[(partition + hashKey(group)) % eligible.length];
}

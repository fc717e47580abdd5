// What must be one step in Redis. A fill counts only while its lease is there, and every invalidation takes the lease away:
// so a slow fill can not bring back what was invalidated meanwhile.

import { luaScript } from "../bus/script.ts";

/** Of the text of a value: this release reads it, and it has not ended. */
const isFresh = (tag: string, now: string) =>
  `string.sub(text, 1, #${tag}) == ${tag} and tonumber(string.match(text, '^[^:]*:(%d+)')) > tonumber(${now})`;

/** value, lease | token, lease ms, tag, now, even if fresh -> [text or "", got the lease] */
export const acquire = luaScript(`
local text = redis.call('GET', KEYS[1])
if text and ARGV[5] == '0' and ${isFresh("ARGV[3]", "ARGV[4]")} then return {text, 0} end
local got = redis.call('SET', KEYS[2], ARGV[1], 'NX', 'PX', ARGV[2])
return {text or '', got and 1 or 0}`);

/** value, lease | token, text, keep ms -> taken */
export const fill = luaScript(`
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
redis.call('DEL', KEYS[2])
return 1`);

/** lease | token */
export const release = luaScript(`
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 0`);

/** value, lease, cut | token, text, keep ms, channel, news, cut ms -> taken; where not, the value is cut */
export const put = luaScript(`
local taken = redis.call('GET', KEYS[2]) == ARGV[1]
redis.call('DEL', KEYS[2])
if taken then
  redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
else
  redis.call('DEL', KEYS[1])
  redis.pcall('SET', KEYS[3], '1', 'PX', ARGV[6])
end
redis.call('PUBLISH', ARGV[4], ARGV[5])
return taken and 1 or 0`);

/** value, lease, cut | text, keep ms, tag, now: a value read beside another one, without a lease of its own -> taken */
export const seed = luaScript(`
if redis.call('EXISTS', KEYS[2], KEYS[3]) > 0 then return 0 end
local text = redis.call('GET', KEYS[1])
if text and ${isFresh("ARGV[3]", "ARGV[4]")} then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1`);

/** value, lease, cut | channel, news, cut ms. A Redis without memory refuses the mark, and must do the rest all the same. */
export const cut = luaScript(`
redis.call('DEL', KEYS[1], KEYS[2])
redis.pcall('SET', KEYS[3], '1', 'PX', ARGV[3])
redis.call('PUBLISH', ARGV[1], ARGV[2])
return 0`);

/** epochs | prefix, epoch, channel, news: an epoch only grows */
export const raise = luaScript(`
local now = tonumber(redis.call('HGET', KEYS[1], ARGV[1]) or '0')
if now >= tonumber(ARGV[2]) then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('PUBLISH', ARGV[3], ARGV[4])
return 1`);

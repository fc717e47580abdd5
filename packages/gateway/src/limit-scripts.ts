// How Redis counts: both algorithms over one key each, by Redis' own clock, so that the clocks of instances do not matter.

/** A sliding window is counted in so many parts, and a part leaves it as a whole: what was refused may be let in that much later. */
export const windowParts = 20;

// KEYS: the subject. ARGV: rate a millisecond, burst, spent, want. `spent` was used without asking, or is given back where
// negative; a bucket may go below zero for it. Answers what is granted, what is left, and Redis' clock.
const tokenBucket = `
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local rate, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local kept = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens = tonumber(kept[1]) or burst
tokens = math.min(burst, tokens + math.max(0, now - (tonumber(kept[2]) or now)) * rate)
tokens = math.max(-burst, math.min(burst, tokens - tonumber(ARGV[3])))
local grant = math.max(0, math.min(tonumber(ARGV[4]), math.floor(tokens)))
tokens = tokens - grant
redis.call('HSET', KEYS[1], 'tokens', tostring(tokens), 'at', string.format('%.3f', now))
redis.call('PEXPIRE', KEYS[1], math.ceil((burst - tokens) / rate) + 1000)
return { grant, tostring(tokens), '0', string.format('%.3f', now) }`;

// ARGV: length of a part in milliseconds, quota, spent, want. A part that reaches into the window counts whole. What another
// clock wrote ahead of this one is dropped. Answers also how long until the oldest part leaves.
const slidingWindow = `
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local part, quota, spent, want = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local current = math.floor(now / part)
local kept = redis.call('HGETALL', KEYS[1])
local used, counts, oldest = 0, {}, current
for i = 1, #kept, 2 do
  local at, count = tonumber(kept[i]), tonumber(kept[i + 1])
  if at == nil or at < current - ${windowParts} or at > current + 1 then
    redis.call('HDEL', KEYS[1], kept[i])
  else
    used = used + count
    counts[at] = count
    if at < oldest then oldest = at end
  end
end
if spent < 0 then
  local back = -spent
  for at = current + 1, current - ${windowParts}, -1 do
    local here = math.min(back, counts[at] or 0)
    if here > 0 then
      redis.call('HINCRBY', KEYS[1], at, -here)
      used, back = used - here, back - here
    end
  end
  spent = 0
end
local grant = math.max(0, math.min(want, math.floor(quota - used - spent)))
if spent + grant > 0 then redis.call('HINCRBY', KEYS[1], current, spent + grant) end
redis.call('PEXPIRE', KEYS[1], math.ceil(part * (${windowParts} + 1)) + 1000)
local opens = (oldest + ${windowParts} + 1) * part - now
return { grant, tostring(quota - used - spent - grant), tostring(opens), string.format('%.3f', now) }`;

export const limitScripts = { "token-bucket": tokenBucket, "sliding-window": slidingWindow };

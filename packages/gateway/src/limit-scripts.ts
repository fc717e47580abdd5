// How Redis counts: both algorithms over one key each, by Redis' own clock, so that the clocks of instances do not matter.

/** A sliding window is counted in so many parts, and a part leaves it as a whole: what was refused may be let in that much later. */
export const windowParts = 20;

// Of many subjects at once, because a question costs more than its answer. KEYS: the subjects. ARGV: four of each. Answers three of
// each (what is granted, what is left, and in how many milliseconds some of a window is free again) and Redis' clock.
const ofEach = (take: string) => `
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local function take(key, a, b, spent, want)${take}
end
local answers = {}
for i, key in ipairs(KEYS) do
  local at, to = i * 4 - 3, i * 3 - 2
  answers[to], answers[to + 1], answers[to + 2] =
    take(key, tonumber(ARGV[at]), tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3]))
end
answers[#KEYS * 3 + 1] = string.format('%.3f', now)
return answers`;

// Of each: rate a millisecond, burst, spent, want. `spent` was used without asking, or is given back where negative; a bucket may
// go below zero for it.
const tokenBucket = ofEach(`
  local rate, burst = a, b
  local kept = redis.call('HMGET', key, 'tokens', 'at')
  local tokens = tonumber(kept[1]) or burst
  tokens = math.min(burst, tokens + math.max(0, now - (tonumber(kept[2]) or now)) * rate)
  tokens = math.max(-burst, math.min(burst, tokens - spent))
  local grant = math.max(0, math.min(want, math.floor(tokens)))
  tokens = tokens - grant
  redis.call('HSET', key, 'tokens', tostring(tokens), 'at', string.format('%.3f', now))
  redis.call('PEXPIRE', key, math.ceil((burst - tokens) / rate) + 1000)
  return grant, tostring(tokens), '0'`);

// Of each: length of a part in milliseconds, quota, spent, want. A part that reaches into the window counts whole. What another
// clock wrote ahead of this one is dropped. What opens next is the oldest part.
const slidingWindow = ofEach(`
  local part, quota = a, b
  local current = math.floor(now / part)
  local kept = redis.call('HGETALL', key)
  local used, counts, oldest = 0, {}, current
  for i = 1, #kept, 2 do
    local at, count = tonumber(kept[i]), tonumber(kept[i + 1])
    if at == nil or at < current - ${windowParts} or at > current + 1 then
      redis.call('HDEL', key, kept[i])
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
        redis.call('HINCRBY', key, at, -here)
        used, back = used - here, back - here
      end
    end
    spent = 0
  end
  local grant = math.max(0, math.min(want, math.floor(quota - used - spent)))
  if spent + grant > 0 then redis.call('HINCRBY', key, current, spent + grant) end
  redis.call('PEXPIRE', key, math.ceil(part * (${windowParts} + 1)) + 1000)
  return grant, tostring(quota - used - spent - grant), tostring((oldest + ${windowParts} + 1) * part - now)`);

export const limitScripts = { "token-bucket": tokenBucket, "sliding-window": slidingWindow };

// Token buckets that all instances share through Redis. Most calls are decided here at once: a caller far from its limit is let
// through and reported a moment later, a busy one spends a lease of tokens, and only near the limit does a call wait for Redis.
// With Redis away each instance keeps to its own part of the limit.

import type { Limit } from "@signalbox/control/evaluate";
import type { Redis } from "@signalbox/core/redis";

/** At least 0: let through, with so many calls left. Below 0: refused, and so many milliseconds to wait. */
export type Taken = number;

export type Limiter = {
  take(limit: Limit, subject: string): Taken | Promise<Taken>;
  /** For limits on failures: taken before the attempt, so that many at once do not slip through, and given back on success. */
  giveBack(limit: Limit, subject: string): void;
  close(): Promise<void>;
};

// Redis' own clock counts. `spent` was used without asking, or is given back where negative; a bucket may go below zero for it.
const script = `
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
return { grant, tostring(tokens) }`;

type Scripted = {
  signalboxTake(
    key: string,
    ratePerMs: number,
    burst: number,
    spent: number,
    want: number,
  ): Promise<[number, string]>;
};

type Policy = {
  value: Limit["value"];
  ratePerMs: number;
  burst: number;
  /** What an instance may let through before it knows how full a bucket is. */
  allowance: number;
  /** Calls in a second that are not worth reporting: 2 % of the limit. */
  forgettable: number;
  longestLease: number;
  /** How many instances these figures were made for. */
  instances: number;
  buckets: Map<string, Bucket>;
};

type Bucket = {
  policy: Policy;
  redisKey: string;
  /** Tokens that Redis gave to this instance. */
  lease: number;
  /** Calls let through that Redis does not know of yet. */
  debt: number;
  /** What was left in Redis when it last answered. */
  left: number;
  leftAt: number;
  emptyUntil: number;
  sinceSync: number;
  waiting: number;
  syncing: Promise<void> | undefined;
  usedAt: number;
  /** Without Redis: this instance's own part; negative: not in use. */
  own: number;
  ownAt: number;
};

const answerMs = 250;
const pauseMs = 1_000;
const roundMs = 1_000;
const maxBuckets = 200_000;

export function createLimiter(deps: {
  redis: Redis;
  /** Among how many a limit is divided while Redis is away. */
  instances?: () => number;
  prefix?: string;
}): Limiter {
  const { redis, instances = () => 1, prefix = "signalbox" } = deps;
  redis.defineCommand("signalboxTake", { numberOfKeys: 1, lua: script });
  const scripted = redis as unknown as Scripted;
  const policies = new Map<string, Policy>();
  const open = new Set<Bucket>();
  let awayUntil = 0;
  let rounds = 0;

  function policyOf({ key, value }: Limit): Policy {
    const known = policies.get(key);
    if (known && known.value === value) return known;
    const policy = derive(value, known?.buckets ?? new Map());
    for (const bucket of policy.buckets.values()) {
      bucket.policy = policy;
      bucket.emptyUntil = 0;
    }
    policies.set(key, policy);
    return policy;
  }

  function derive(value: Limit["value"], buckets: Policy["buckets"]): Policy {
    const share = Math.max(1, instances());
    const ratePerMs = value.rate / value.perSeconds / 1_000;
    const { burst } = value;
    return {
      value,
      ratePerMs,
      burst,
      instances: share,
      // A small bucket is not lent from: every one of its tokens counts.
      allowance: burst < 40 ? 0 : Math.floor(burst / 4 / share),
      forgettable: burst < 40 ? 0 : Math.floor((ratePerMs * 1_000 * 0.02) / share),
      longestLease: Math.max(1, Math.floor(Math.min(burst / 10, ratePerMs * 250) / share)),
      buckets,
    };
  }

  function bucketOf(key: string, policy: Policy, subject: string): Bucket {
    const known = policy.buckets.get(subject);
    if (known) return known;
    // Under a flood of addresses the oldest bucket goes: it is in Redis, or has filled up again.
    if (policy.buckets.size >= maxBuckets) {
      const [oldest] = policy.buckets.keys();
      policy.buckets.delete(oldest!);
    }
    const bucket: Bucket = {
      policy,
      redisKey: `${prefix}:limit:{${key}:${subject}}`,
      lease: 0,
      debt: 0,
      left: policy.burst,
      leftAt: performance.now(),
      emptyUntil: 0,
      sinceSync: 0,
      waiting: 0,
      syncing: undefined,
      usedAt: 0,
      own: -1,
      ownAt: 0,
    };
    policy.buckets.set(subject, bucket);
    return bucket;
  }

  const isAway = (at: number) => redis.status !== "ready" || at < awayUntil;

  const leftNow = ({ policy, left, leftAt, lease, debt }: Bucket, at: number) =>
    Math.min(policy.burst, left + (at - leftAt) * policy.ratePerMs + lease - debt);

  /** Reports what was spent and asks for a lease; one question a bucket at a time. */
  function sync(bucket: Bucket, want: number): Promise<void> {
    bucket.syncing ??= ask(bucket, want).finally(() => {
      bucket.syncing = undefined;
    });
    return bucket.syncing;
  }

  async function ask(bucket: Bucket, want: number): Promise<void> {
    const { policy, redisKey, debt: spent } = bucket;
    bucket.debt = 0;
    bucket.sinceSync = 0;
    let timer: NodeJS.Timeout | undefined;
    try {
      const answer = scripted.signalboxTake(redisKey, policy.ratePerMs, policy.burst, spent, want);
      const late = new Promise<undefined>((resolve) => {
        // Where this process itself was held up, the answer lies in the socket: it is read before the immediate runs.
        timer = setTimeout(() => setImmediate(() => resolve(undefined)), answerMs);
      });
      const answered = await Promise.race([answer, late]);
      if (answered === undefined) {
        answer.catch(() => {});
        throw new Error("no answer");
      }
      const [granted, left] = answered;
      const at = performance.now();
      bucket.lease += granted;
      bucket.left = Number(left);
      bucket.leftAt = at;
      if (bucket.lease >= 1 || want === 0) return;
      const nextMs = (1 - bucket.left) / policy.ratePerMs;
      // Near the limit a few tokens are gathered, so that not each of them costs a question.
      const gatherMs = Math.min(20, policy.burst / policy.ratePerMs / 4);
      // Asked again within a second in any case: another instance may give back what it did not use.
      bucket.emptyUntil = at + Math.min(1_000, Math.max(nextMs, gatherMs));
    } catch {
      awayUntil = performance.now() + pauseMs;
      if (spent > 0) bucket.debt += spent;
    } finally {
      clearTimeout(timer);
    }
  }

  const wanted = ({ sinceSync, policy }: Bucket) =>
    Math.min(policy.longestLease, Math.max(1, Math.ceil(sinceSync * 1.5)));

  /** This instance's part of the limit, while nobody can ask the others. */
  function takeOwn(bucket: Bucket, at: number): Taken {
    const { policy } = bucket;
    const share = policy.instances;
    const burst = Math.max(1, policy.burst / share);
    if (bucket.own < 0) {
      const left = leftNow(bucket, at);
      bucket.own = Math.min(burst, Math.max(left / share, left >= 1 ? 1 : 0));
      bucket.ownAt = at;
    }
    const ratePerMs = policy.ratePerMs / share;
    bucket.own = Math.min(burst, bucket.own + (at - bucket.ownAt) * ratePerMs);
    bucket.ownAt = at;
    if (bucket.own < 1) return -Math.max(1, (1 - bucket.own) / ratePerMs);
    bucket.own -= 1;
    return Math.floor(bucket.own);
  }

  function decide(bucket: Bucket, at: number): Taken | undefined {
    const { policy } = bucket;
    if (bucket.lease >= 1) {
      bucket.lease -= 1;
      bucket.sinceSync += 1;
      if (bucket.lease * 2 < policy.longestLease && !bucket.syncing && !isAway(at)) {
        const want = wanted(bucket) - bucket.lease;
        if (want >= 1) void sync(bucket, Math.floor(want));
      }
      return Math.max(0, Math.floor(leftNow(bucket, at)));
    }
    if (at < bucket.emptyUntil) return -Math.max(1, (1 - leftNow(bucket, at)) / policy.ratePerMs);
    if (isAway(at)) return takeOwn(bucket, at);
    bucket.own = -1;
    const left = leftNow(bucket, at);
    if (bucket.debt < policy.allowance && left > policy.burst / 2) {
      bucket.debt += 1;
      bucket.sinceSync += 1;
      open.add(bucket);
      if (bucket.debt > policy.forgettable && !bucket.syncing) void sync(bucket, wanted(bucket));
      return Math.max(0, Math.floor(left - 1));
    }
    return undefined;
  }

  async function askThenDecide(bucket: Bucket): Promise<Taken> {
    open.add(bucket);
    bucket.sinceSync += 1;
    bucket.waiting += 1;
    try {
      // Others wait for the same answer and may use up what it brings. Each answer brings tokens, or says that there are none.
      for (;;) {
        await sync(bucket, Math.max(wanted(bucket), bucket.waiting));
        const taken = decide(bucket, performance.now());
        if (taken !== undefined) return taken;
      }
    } finally {
      bucket.waiting -= 1;
    }
  }

  async function round(): Promise<void> {
    const at = performance.now();
    rounds += 1;
    if (!isAway(at)) {
      for (const bucket of open) {
        const { policy } = bucket;
        const idle = at - bucket.usedAt > roundMs / 2;
        if (idle && bucket.lease > 0) {
          bucket.debt -= bucket.lease;
          bucket.lease = 0;
        }
        if (bucket.debt > 0 && bucket.debt <= policy.forgettable) bucket.debt = 0;
        if (bucket.debt !== 0 && !bucket.syncing) void sync(bucket, 0);
        if (idle && bucket.debt === 0 && !bucket.syncing) open.delete(bucket);
      }
    }
    const share = Math.max(1, instances());
    for (const [key, policy] of policies)
      if (policy.instances !== share) {
        const anew = derive(policy.value, policy.buckets);
        policies.set(key, anew);
        for (const bucket of anew.buckets.values()) bucket.policy = anew;
      }
    if (rounds % 30 === 0) forgetIdle(at);
  }

  function forgetIdle(at: number): void {
    for (const { buckets, burst, ratePerMs } of policies.values())
      for (const [subject, bucket] of buckets)
        if (!open.has(bucket) && at - bucket.usedAt > Math.max(10_000, burst / ratePerMs))
          buckets.delete(subject);
  }

  const timer = setInterval(round, roundMs);
  timer.unref();

  return {
    take(limit, subject) {
      const policy = policyOf(limit);
      const bucket = bucketOf(limit.key, policy, subject);
      const at = performance.now();
      bucket.usedAt = at;
      return decide(bucket, at) ?? askThenDecide(bucket);
    },
    giveBack(limit, subject) {
      const bucket = bucketOf(limit.key, policyOf(limit), subject);
      if (bucket.own >= 0) bucket.own += 1;
      else {
        bucket.lease += 1;
        open.add(bucket);
      }
    },
    async close() {
      clearInterval(timer);
      if (isAway(performance.now())) return;
      await Promise.all(
        [...open].map(async (bucket) => {
          await bucket.syncing;
          bucket.debt -= bucket.lease;
          bucket.lease = 0;
          if (bucket.debt !== 0) await sync(bucket, 0);
        }),
      );
    },
  };
}

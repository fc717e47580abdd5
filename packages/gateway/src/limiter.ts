// Limits that all instances share through Redis. Most calls are decided here at once: a caller far from its limit is let through
// and reported a moment later, a busy one spends a lease of what Redis granted, and only near the limit does a call wait for Redis.
// With Redis away each instance keeps to its own part of the limit.

import type { Limit } from "@signalbox/control/evaluate";
import { AppError } from "@signalbox/core/errors";
import { createGenerations, type Generations } from "@signalbox/core/generations";
import type { Redis } from "@signalbox/core/redis";
import { createLimitQuestions, mostTogether } from "./limit-questions.ts";
import { createOwnPart, type OwnPart, type Part } from "./own-part.ts";

/** At least 0: let through, with so much left. Below 0: refused, and so many milliseconds to wait. */
export type Taken = number;

export type Limiter = {
  /** A weight above the whole limit counts as all of it. */
  take(limit: Limit, subject: string, weight?: number): Taken | Promise<Taken>;
  /** For limits on failures: taken before the attempt, so that many at once do not slip through, and given back on success. */
  giveBack(limit: Limit, subject: string): void;
  /** How many callers are held in memory. */
  readonly size: number;
  close(): Promise<void>;
};

/** What a full limit allows at once. */
export const quotaOf = ({ algorithm, rate, burst }: Limit["value"]): number =>
  algorithm === "sliding-window" ? Math.max(1, Math.floor(rate)) : burst;

/** In how many seconds an empty limit is full again. */
export const secondsToFill = ({ algorithm, rate, burst, perSeconds }: Limit["value"]): number =>
  Math.ceil(algorithm === "sliding-window" ? perSeconds : (burst / rate) * perSeconds);

type Policy = {
  key: string;
  value: Limit["value"];
  /** The most at once, in the whole platform. */
  quota: number;
  /** 0 for a sliding window: nothing comes back bit by bit. */
  ratePerMs: number;
  windowMs: number;
  /** What an instance may let through before it knows how much of a limit is used. */
  allowance: number;
  /** What is not worth reporting in a second: 2 % of the limit. */
  forgettable: number;
  /** What is reported at once, and not within a second: a tenth of what comes back in one. */
  urgent: number;
  longestLease: number;
  /** This instance's own part, and how many instances these figures were made for. */
  part: Part;
  instances: number;
  /** Of all that is left, what this instance may think its own while it is alone. */
  share: number;
  buckets: Generations<Bucket>;
  /** When the buckets that were not used since are forgotten. */
  turnAt: number;
};

type Bucket = {
  policy: Policy;
  subject: string;
  /** What Redis granted to this instance. */
  lease: number;
  /** Let through, and Redis does not know of it yet. */
  debt: number;
  /** Since when it is owed. */
  debtFrom: number;
  /** What was left in Redis when it last answered. */
  left: number;
  leftAt: number;
  emptyUntil: number;
  /** When some of a sliding window is free again. */
  opensAt: number;
  sinceSync: number;
  syncedAt: number;
  waiting: number;
  syncing: Promise<void> | undefined;
  isOpen: boolean;
  usedAt: number;
  /** When it is looked at next, where it is open. */
  roundAt: number;
  /** In use without Redis only. */
  own: OwnPart | undefined;
};

const pauseMs = 1_000;
const leaseMs = 50;
const roundMs = 1_000;
const turnMs = 50;
const closingMs = 1_000;
const toldAtOnce = 1_000;
/** Of one limit. Some 30 MB: what a flood of addresses may cost. Those that go are in Redis, or have filled up again. */
const maxBuckets = 100_000;

const isSame = (a: Limit["value"], b: Limit["value"]): boolean =>
  a.rate === b.rate &&
  a.burst === b.burst &&
  a.perSeconds === b.perSeconds &&
  a.algorithm === b.algorithm &&
  a.alonePercent === b.alonePercent;

export function createLimiter(deps: {
  redis: Redis;
  /** Among how many a limit is divided while Redis is away. */
  instances?: () => number;
  prefix?: string;
}): Limiter {
  const { redis, instances = () => 1, prefix = "signalbox" } = deps;
  const question = createLimitQuestions(redis);
  const policies = new Map<string, Policy>();
  const open = new Set<Bucket>();
  let awayUntil = 0;
  let lookingOn: NodeJS.Immediate | undefined;
  let nextRoundAt = performance.now() + roundMs;

  function policyOf({ key, value }: Limit): Policy {
    const known = policies.get(key);
    if (known && known.value === value) return known;
    if (known && isSame(known.value, value)) {
      known.value = value;
      return known;
    }
    // What was counted by another algorithm, or for other callers, says nothing about this limit.
    const isOther =
      known && (known.value.algorithm !== value.algorithm || known.value.perSeconds !== value.perSeconds);
    const policy = derive(key, value, isOther || !known ? createGenerations(maxBuckets) : known.buckets);
    adopt(policy, true);
    return policy;
  }

  function adopt(policy: Policy, isChanged: boolean): void {
    for (const bucket of policy.buckets.values()) {
      bucket.policy = policy;
      if (!isChanged) continue;
      bucket.own = undefined;
      bucket.emptyUntil = 0;
    }
    policies.set(policy.key, policy);
  }

  function derive(key: string, value: Limit["value"], buckets: Policy["buckets"]): Policy {
    const count = Math.max(1, instances());
    const quota = quotaOf(value);
    const windowMs = value.perSeconds * 1_000;
    const isWindow = value.algorithm === "sliding-window";
    // Of a window it is the mean, which tells how much is worth asking for at once.
    const ratePerMs = value.rate / windowMs;
    const share = value.alonePercent / 100 / count;
    // A small limit is not lent from: every single call counts.
    const allowance = quota < 40 ? 0 : Math.floor(quota / 4 / count);
    const inSecond = quota < 40 ? 0 : (ratePerMs * 1_000) / count;
    const forgettable = Math.floor(inSecond * 0.02);
    return {
      key,
      value,
      quota,
      ratePerMs: isWindow ? 0 : ratePerMs,
      windowMs,
      instances: count,
      share,
      part: {
        algorithm: value.algorithm,
        quota: Math.max(1, quota * share),
        ratePerMs: ratePerMs * share,
        windowMs,
      },
      allowance,
      forgettable,
      urgent: Math.max(forgettable, Math.floor(Math.min(inSecond * 0.1, allowance / 4))),
      longestLease: Math.max(1, Math.floor(Math.min(quota / 10, ratePerMs * 250) / count)),
      buckets,
      turnAt: performance.now() + Math.max(10_000, secondsToFill(value) * 1_000),
    };
  }

  function bucketOf(policy: Policy, subject: string): Bucket {
    const known = policy.buckets.get(subject);
    if (known) return known;
    const bucket: Bucket = {
      policy,
      subject,
      lease: 0,
      debt: 0,
      debtFrom: 0,
      left: policy.quota,
      leftAt: performance.now(),
      emptyUntil: 0,
      opensAt: 0,
      sinceSync: 0,
      syncedAt: performance.now(),
      waiting: 0,
      syncing: undefined,
      isOpen: false,
      usedAt: 0,
      roundAt: 0,
      own: undefined,
    };
    policy.buckets.set(subject, bucket);
    return bucket;
  }

  const openUp = (bucket: Bucket): void => {
    if (bucket.isOpen) return;
    bucket.isOpen = true;
    bucket.roundAt = performance.now() + roundMs;
    open.add(bucket);
  };

  const isAway = (at: number) => redis.status !== "ready" || at < awayUntil;

  function leftNow({ policy, left, leftAt, lease, debt }: Bucket, at: number): number {
    const { quota, ratePerMs, windowMs } = policy;
    if (ratePerMs > 0) return Math.min(quota, left + (at - leftAt) * ratePerMs + lease - debt);
    return (at - leftAt > windowMs ? quota : Math.min(quota, left + lease)) - debt;
  }

  /** Milliseconds until so much fits, as far as that is known here. */
  function waitFor(bucket: Bucket, weight: number, at: number): number {
    const { ratePerMs } = bucket.policy;
    const soonest = ratePerMs > 0 ? (weight - leftNow(bucket, at)) / ratePerMs : bucket.opensAt - at;
    return Math.max(1, soonest);
  }

  /** Reports what was spent and asks for a lease; one question a bucket at a time. */
  function sync(bucket: Bucket, want: number): Promise<void> {
    bucket.syncing ??= ask(bucket, want).finally(() => {
      bucket.syncing = undefined;
    });
    return bucket.syncing;
  }

  async function ask(bucket: Bucket, want: number): Promise<void> {
    const { policy, debt: spent } = bucket;
    bucket.debt = 0;
    bucket.sinceSync = 0;
    bucket.syncedAt = performance.now();
    try {
      const { key, quota, ratePerMs, windowMs } = policy;
      const name = `${prefix}:limit:{${key}:${bucket.subject}}`;
      const { granted, left, opensMs } = await question({ name, quota, ratePerMs, windowMs, spent, want });
      const at = performance.now();
      bucket.lease += granted;
      bucket.left = left;
      bucket.leftAt = at;
      if (granted >= want || want === 0) return;
      // Near the limit a few are gathered, so that not each of them costs a question.
      const gatherMs = ratePerMs > 0 ? Math.min(20, quota / ratePerMs / 4) : 1;
      const nextMs = ratePerMs > 0 ? (1 - bucket.left) / ratePerMs : opensMs;
      bucket.opensAt = at + nextMs;
      // Asked again within a second in any case: another instance may give back what it did not use.
      bucket.emptyUntil = at + Math.min(1_000, Math.max(nextMs, gatherMs));
    } catch (error) {
      awayUntil = performance.now() + pauseMs;
      // A server that stood still answers what it was asked when it goes on: what was sent must not be told twice.
      const isSent = redis.status === "ready" && !(error instanceof AppError);
      if (isSent) bucket.left -= spent;
      else bucket.debt += spent;
    }
  }

  /** What lasts for a moment at the pace of this one, so that a busy caller costs few questions. */
  const wanted = ({ sinceSync, syncedAt, policy }: Bucket, at: number) =>
    Math.min(policy.longestLease, Math.max(1, Math.ceil((sinceSync / Math.max(1, at - syncedAt)) * leaseMs)));

  /** This instance's part of the limit, while nobody can ask the others. */
  function takeOwn(bucket: Bucket, weight: number, at: number): Taken {
    const { part, share } = bucket.policy;
    if (bucket.own === undefined) {
      const left = leftNow(bucket, at);
      bucket.own = createOwnPart(part, Math.max(left * share, left >= 1 ? 1 : 0), at);
      openUp(bucket);
    }
    const taken = bucket.own.take(weight, at);
    return taken < 0 ? taken : Math.floor(taken);
  }

  /** Redis is back: it learns what was let through meanwhile, as far as it still counts. */
  function endOwn(bucket: Bucket, at: number): void {
    bucket.debt += bucket.own!.untold(at);
    bucket.own = undefined;
    openUp(bucket);
  }

  function decide(bucket: Bucket, weight: number, at: number): Taken | undefined {
    const { policy } = bucket;
    if (bucket.lease >= weight) {
      bucket.lease -= weight;
      bucket.sinceSync += weight;
      if (bucket.lease * 2 < policy.longestLease && bucket.syncing === undefined && !isAway(at)) {
        const want = wanted(bucket, at);
        if (bucket.lease * 2 < want) void sync(bucket, Math.floor(want - bucket.lease));
      }
      return Math.max(0, Math.floor(leftNow(bucket, at)));
    }
    if (at < bucket.emptyUntil) return -waitFor(bucket, weight, at);
    if (isAway(at)) return takeOwn(bucket, weight, at);
    if (bucket.own !== undefined) endOwn(bucket, at);
    // Of those who call seldom nobody keeps a list: what they owed is forgotten when they come again.
    if (!bucket.isOpen && bucket.debt <= policy.forgettable && at - bucket.debtFrom > roundMs) {
      bucket.debt = 0;
      bucket.debtFrom = at;
    }
    const left = leftNow(bucket, at);
    if (bucket.debt + weight <= policy.allowance && left > policy.quota / 2) {
      bucket.debt += weight;
      bucket.sinceSync += weight;
      if (bucket.debt > policy.forgettable) {
        openUp(bucket);
        if (bucket.debt > policy.urgent && bucket.syncing === undefined)
          void sync(bucket, wanted(bucket, at));
      }
      return Math.max(0, Math.floor(left - weight));
    }
    return undefined;
  }

  async function askThenDecide(bucket: Bucket, weight: number): Promise<Taken> {
    openUp(bucket);
    bucket.sinceSync += weight;
    bucket.waiting += weight;
    try {
      // Others wait for the same answer and may use up what it brings. Each answer brings something, or says that there is nothing.
      for (;;) {
        await sync(bucket, Math.max(wanted(bucket, performance.now()), bucket.waiting));
        const taken = decide(bucket, weight, performance.now());
        if (taken !== undefined) return taken;
      }
    } finally {
      bucket.waiting -= weight;
    }
  }

  /** Each open bucket has its turn once in a round, spread over it: all at once would hold up whoever calls just then. */
  function turn(): void {
    const at = performance.now();
    if (at >= nextRoundAt) {
      nextRoundAt = at + roundMs;
      round(at);
    }
    lookAtSome();
  }

  /** No more in one turn of the event loop than one question is about. */
  function lookAtSome(): void {
    clearImmediate(lookingOn);
    const at = performance.now();
    if (isAway(at)) return;
    let looked = 0;
    for (const bucket of open) {
      if (bucket.roundAt > at) return;
      if (looked === mostTogether) {
        lookingOn = setImmediate(lookAtSome);
        return;
      }
      looked += 1;
      lookAt(bucket, at);
    }
  }

  function lookAt(bucket: Bucket, at: number): void {
    bucket.roundAt = at + roundMs;
    // To the end of the line.
    open.delete(bucket);
    open.add(bucket);
    const { policy } = bucket;
    if (bucket.own !== undefined) endOwn(bucket, at);
    const idle = at - bucket.usedAt > roundMs / 2;
    if (idle && bucket.lease > 0) {
      bucket.debt -= bucket.lease;
      bucket.lease = 0;
    }
    // Near the limit every single call counts.
    if (bucket.debt > 0 && bucket.debt <= policy.forgettable && leftNow(bucket, at) > policy.quota / 2)
      bucket.debt = 0;
    if (bucket.debt !== 0 && !bucket.syncing) void sync(bucket, 0);
    if (idle && bucket.debt === 0 && !bucket.syncing) {
      open.delete(bucket);
      bucket.isOpen = false;
    }
  }

  function round(at: number): void {
    const share = Math.max(1, instances());
    for (const { key, value, instances, buckets } of policies.values())
      if (instances !== share) adopt(derive(key, value, buckets), false);
    // Nobody needs the bucket of a caller who was away for as long as it takes to fill.
    for (const policy of policies.values())
      if (at > policy.turnAt) {
        policy.turnAt = at + Math.max(10_000, secondsToFill(policy.value) * 1_000);
        policy.buckets.turn();
      }
  }

  const timer = setInterval(turn, turnMs);
  timer.unref();

  return {
    take(limit, subject, weight = 1) {
      const policy = policyOf(limit);
      const bucket = bucketOf(policy, subject);
      const at = performance.now();
      bucket.usedAt = at;
      const cost = weight > policy.quota ? policy.quota : weight;
      return decide(bucket, cost, at) ?? askThenDecide(bucket, cost);
    },
    giveBack(limit, subject) {
      const bucket = bucketOf(policyOf(limit), subject);
      if (bucket.own !== undefined) {
        bucket.own.giveBack(1);
        return;
      }
      bucket.lease += 1;
      openUp(bucket);
    },
    get size() {
      let size = 0;
      for (const { buckets } of policies.values()) size += buckets.size;
      return size;
    },
    async close() {
      clearInterval(timer);
      clearImmediate(lookingOn);
      const untold = [...open].filter((bucket) => {
        bucket.debt -= bucket.lease;
        bucket.lease = 0;
        return Math.abs(bucket.debt) > bucket.policy.forgettable;
      });
      // Whoever stops has no time to lose: what Redis does not take soon is not told.
      const end = performance.now() + closingMs;
      for (let from = 0; from < untold.length; from += toldAtOnce) {
        const at = performance.now();
        if (at >= end || isAway(at)) return;
        await Promise.all(
          untold.slice(from, from + toldAtOnce).map(async (bucket) => {
            await bucket.syncing;
            await sync(bucket, 0);
          }),
        );
      }
    },
  };
}

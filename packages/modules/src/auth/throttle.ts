// Guessing made slow: so many failures a login in a quarter of an hour, and for an address that fails all the time a pause that
// grows. Both hold in this process alone while Redis is away.

import { AppError } from "@signalbox/core/errors";
import { networkOf } from "@signalbox/core/network";
import { onceFor } from "@signalbox/core/once-for";
import { blindIndex } from "@signalbox/core/vault";
import type { Ctx } from "../ctx.ts";

const windowMs = 15 * 60_000;
/** So many people behind one address may mistype in a quarter of an hour before it has to wait. */
const freeFailures = 100;
const maxPauseMs = 5 * 60_000;
const maxKnown = 100_000;
/** Other instances are asked at most so often whether they make an address wait; what failed here counts here at once. */
const askEveryMs = 1_000;

/** After the nth failure of an address: nothing, then a second, doubled each time. */
export const pauseAfter = (failures: number): number =>
  failures <= freeFailures ? 0 : Math.min(maxPauseMs, 1_000 * 2 ** Math.min(20, failures - freeFailures - 1));

type Known = { failures: number; until: number; pausedUntil: number; askAt: number };
const knownBy = onceFor((_limiter: Ctx["limiter"]) => new Map<string, Known>());

const pauseKey = (network: string) => `auth:pause:{${network}}`;
const failureKey = (network: string) => `auth:failures:{${network}}`;

const slowDown = (retryAfterMs: number) =>
  new AppError("rate_limited", "too many failed attempts; wait before you try again", {
    retryAfterMs: Math.max(1, Math.ceil(retryAfterMs)),
  });

/** Counters stand in Redis under what was typed, which may be an address: as a MAC, they name nobody. */
export const nameless = ({ secret }: Pick<Ctx, "secret">, who: string) =>
  blindIndex(secret, "throttle", who).toString("base64url");

export type Attempt = {
  /** Does what the attempt is about; where that fails by itself, it was no guess. */
  during<T>(work: Promise<T>): Promise<T>;
  /** It was no guess: it does not count. */
  forgive(): void;
  /** Answers whether this was the last that the account had. */
  failed(): Promise<{ last: boolean }>;
};

/** Counts an attempt before it is made, so that many at once do not slip through, and refuses where there were too many. */
export async function beginAttempt(ctx: Ctx, who: string): Promise<Attempt> {
  const subject = nameless(ctx, who);
  const network = networkOf(ctx.address);
  const pauseMs = await pauseOf(ctx, network);
  if (pauseMs > 0) throw slowDown(pauseMs);
  const limit = ctx.live.rules().limitAt("auth.session.create", ctx.now().getTime());
  const left = limit ? await ctx.limiter.take(limit, subject) : Number.POSITIVE_INFINITY;
  if (left < 0) throw slowDown(-left);
  const forgive = () => {
    if (limit) ctx.limiter.giveBack(limit, subject);
  };
  return {
    forgive,
    during: (work) =>
      work.catch((error) => {
        forgive();
        throw error;
      }),
    async failed() {
      await countFailure(ctx, network);
      return { last: left < 1 };
    },
  };
}

function remember(ctx: Ctx, network: string, change: Partial<Known>): void {
  const known = knownBy(ctx.limiter);
  const before = known.get(network);
  known.delete(network);
  if (known.size >= maxKnown) known.delete(known.keys().next().value!);
  known.set(network, { failures: 0, until: 0, pausedUntil: 0, askAt: 0, ...before, ...change });
}

async function pauseOf(ctx: Ctx, network: string): Promise<number> {
  const nowMs = ctx.now().getTime();
  const { pausedUntil = 0, askAt = 0 } = knownBy(ctx.limiter).get(network) ?? {};
  if (pausedUntil > nowMs || askAt > nowMs || ctx.redis.status !== "ready") return pausedUntil - nowMs;
  const pauseMs = await ctx.redis.pttl(pauseKey(network)).catch(() => 0);
  remember(ctx, network, {
    askAt: nowMs + askEveryMs,
    ...(pauseMs > 0 ? { pausedUntil: nowMs + pauseMs } : {}),
  });
  return pauseMs;
}

async function countFailure(ctx: Ctx, network: string): Promise<void> {
  const nowMs = ctx.now().getTime();
  const before = knownBy(ctx.limiter).get(network);
  let failures = (before && before.until > nowMs ? before.failures : 0) + 1;
  if (ctx.redis.status === "ready") {
    const shared = await ctx.redis
      .multi()
      .incr(failureKey(network))
      .pexpire(failureKey(network), windowMs)
      .exec()
      .then((answers) => Number(answers?.[0]?.[1] ?? 0))
      .catch(() => 0);
    failures = Math.max(failures, shared);
  }
  const pauseMs = pauseAfter(failures);
  remember(ctx, network, { failures, until: nowMs + windowMs, pausedUntil: nowMs + pauseMs });
  if (pauseMs > 0 && ctx.redis.status === "ready")
    await ctx.redis.set(pauseKey(network), failures, "PX", pauseMs).catch(() => {});
}

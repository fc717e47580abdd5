// Refuses who calls too often: by address, by user, and by what the path or its prefix allows.

import type { Limit, Rules } from "@signalbox/control/evaluate";
import type { Live } from "@signalbox/control/live";
import type { Limiter, Taken } from "../limiter.ts";
import type { Call, Stage } from "../pipeline.ts";
import { refusal } from "../refusal.ts";

type Ask = { limit: Limit; subject: string };

export function rateLimit(live: Live, limiter: Limiter, now: () => number): Stage {
  const policies = new WeakMap<object, string>();

  /** The policy as the draft writes it: a full bucket, and the seconds in which it fills; so what is left is never above the quota. */
  function policyText({ key, value }: Limit): string {
    let text = policies.get(value);
    if (text === undefined) {
      const { rate, burst, perSeconds } = value;
      text = `"${key}";q=${burst};w=${Math.ceil((burst / rate) * perSeconds)}`;
      policies.set(value, text);
    }
    return text;
  }

  function settle<T>(call: Call, asks: Ask[], taken: Taken[], next: () => Promise<T>): Promise<T> {
    // The limit that is nearest to its end is the one a caller should pace itself by.
    let nearest = 0;
    let least = Number.POSITIVE_INFINITY;
    let policy = "";
    for (let at = 0; at < asks.length; at++) {
      const { limit } = asks[at]!;
      const part = taken[at]! < 0 ? taken[at]! : taken[at]! / limit.value.burst;
      if (part < least) {
        least = part;
        nearest = at;
      }
      policy = policy === "" ? policyText(limit) : `${policy}, ${policyText(limit)}`;
    }
    const { key, value } = asks[nearest]!.limit;
    const left = taken[nearest]!;
    const refillMs = left < 0 ? -left : ((value.burst - left) / value.rate) * value.perSeconds * 1_000;
    call.headers["RateLimit-Policy"] = policy;
    call.headers.RateLimit = `"${key}";r=${Math.max(0, left)};t=${Math.max(1, Math.ceil(refillMs / 1_000))}`;
    if (left >= 0) return next();
    return Promise.reject(
      refusal(
        "rate_limited",
        `too many calls: the limit "${key}" is used up, try again shortly`,
        Math.ceil(-left),
      ),
    );
  }

  return (call, next) => {
    if (call.caller.kind === "operator" || call.caller.kind === "job") return next();
    const asks = asksOf(call, live.rules(), now());
    if (asks.length === 0) return next();
    const taken = asks.map(({ limit, subject }) => limiter.take(limit, subject));
    if (taken.every((one) => typeof one === "number")) return settle(call, asks, taken, next);
    return Promise.all(taken).then((numbers) => settle(call, asks, numbers, next));
  };
}

function asksOf({ name, caller }: Call, rules: Rules, nowMs: number): Ask[] {
  const asks: Ask[] = [];
  const address = rules.limitAt("address", nowMs);
  if (address) asks.push({ limit: address, subject: caller.address });
  const user = caller.kind === "user" ? rules.limitAt("user", nowMs) : undefined;
  if (user) asks.push({ limit: user, subject: caller.id });
  const own = rules.limitOf(name, nowMs);
  if (own && own.value.by !== "account")
    asks.push({ limit: own, subject: own.value.by === "address" ? caller.address : caller.id });
  return asks;
}

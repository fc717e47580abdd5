// Refuses who calls too often: by user, by application, by address where the edge has not counted enough, and by what the path
// or its prefix allows. A call takes as much as it weighs.

import type { Rules } from "@signalbox/control/evaluate";
import type { Live } from "@signalbox/control/live";
import { networkOf } from "@signalbox/core/network";
import type { Limiter, Taken } from "../limiter.ts";
import type { Ask, Call, Stage } from "../pipeline.ts";
import { writeRateHeaders } from "../rate-headers.ts";
import { usedUp } from "../refusal.ts";

/** Behind a gateway only what a name allows is asked for; for a verb that runs elsewhere, all but that. */
export function rateLimit(
  live: Live,
  limiter: Limiter,
  now: () => number,
  { isBehind = false }: { isBehind?: boolean } = {},
): Stage {
  function settle<T>(call: Call, asks: Ask[], taken: Taken[], next: () => T | Promise<T>): T | Promise<T> {
    const nearest = writeRateHeaders(call.headers, asks, taken);
    const left = taken[nearest]!;
    if (left < 0) throw usedUp(asks[nearest]!.limit.key, -left);
    return next();
  }

  return (call, next) => {
    const { kind } = call.caller;
    if (kind === "operator" || kind === "job") return next();
    const rules = live.rules();
    const weight = rules.weightOf(call.name, now) ?? call.weight;
    const asks: Ask[] = [];
    const taken: (Taken | Promise<Taken>)[] = [];
    let waits = false;
    const take = (ask: Ask): void => {
      const one = limiter.take(ask.limit, ask.subject, weight);
      if (typeof one !== "number") waits = true;
      asks.push(ask);
      taken.push(one);
    };

    const address = isBehind ? undefined : byAddress(call, rules, now, weight);
    if (address !== undefined) {
      const { toll, rest } = address;
      asks.push(toll);
      const one = rest > 0 ? limiter.take(toll.limit, toll.subject, rest) : toll.left;
      if (typeof one !== "number") waits = true;
      taken.push(one);
    }
    const user = kind === "user" && !isBehind ? rules.limitAt("user", now) : undefined;
    if (user !== undefined) take({ limit: user, subject: call.caller.id });
    if (call.application !== undefined && !isBehind) take(call.application);
    const own = call.elsewhere ? undefined : rules.limitOf(call.name, now);
    if (own !== undefined && own.value.by !== "account")
      take({ limit: own, subject: subjectOf(call, own.value.by) });

    if (asks.length === 0) return next();
    if (!waits) return settle(call, asks, taken as Taken[], next);
    return Promise.all(taken).then((numbers) => settle(call, asks, numbers, next));
  };
}

const subjectOf = ({ caller }: Call, by: "caller" | "address"): string =>
  by === "caller" && caller.kind === "user" ? caller.id : networkOf(caller.address);

/** What the address has paid at the edge, and what this call weighs beyond that. */
function byAddress(call: Call, rules: Rules, now: () => number, weight: number) {
  const { toll } = call;
  if (toll === undefined) {
    const limit = rules.limitAt("address", now);
    return limit && { toll: { limit, subject: networkOf(call.caller.address), left: 0 }, rest: weight };
  }
  const rest = Math.max(0, weight - toll.prepaid);
  toll.prepaid = Math.max(0, toll.prepaid - weight);
  return { toll, rest };
}

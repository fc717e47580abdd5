// Calls to modules that run in other processes: an instance is chosen from the registry, asked, and where that failed without
// harm another one is. With Redis away the last known instances go on.

import type { Live } from "@signalbox/control/live";
import { holding, type ZoneLayer } from "@signalbox/control/settings";
import { AppError } from "@signalbox/core/errors";
import type { Logger } from "@signalbox/core/log";
import type { Registry, Seen } from "@signalbox/core/registry";
import { currentDeadline } from "@signalbox/core/resilience/deadline";
import type { Dependencies } from "@signalbox/core/resilience/dependencies";
import { createRetryBudget, type RetryBudget } from "@signalbox/core/resilience/retry";
import { createCallPass } from "./call-pass.ts";
import { type Plan, pick, planOf } from "./choose.ts";
import { type Answered, createPeer, notRun, type Peer } from "./peer.ts";

export type UpstreamCall = {
  name: string;
  service: string;
  variant: "stable" | "canary";
  /** Twice is as good as once: it may be sent again although it was perhaps worked on. */
  idempotent: boolean;
  /** Who calls, and all else that goes with the input. */
  context: object;
  body: string;
};

export type Upstreams = {
  call(call: UpstreamCall): Promise<Answered & { track: "stable" | "canary" }>;
  /** Instances that get nothing for a while. */
  ejected(): string[];
  /** Of these services, those that no instance answers for. */
  missing(services: Iterable<string>): string[];
  close(): void;
};

/** Why a service did not run a call that it had no room for. */
export const tooBusy = "too busy";
const attempts = 4;
/** At most so many of a service's instances are ejected; more would be a fault that they share. */
const maxEjectedShare = 0.5;
/** An instance that the registry lost without a word may be alive while Redis comes back. */
const rememberedMs = 60_000;

export function createUpstreams(deps: {
  registry: Pick<Registry, "watch">;
  live: Pick<Live, "current" | "onChange">;
  dependencies: Dependencies;
  log: Logger;
  secret: Buffer;
  instance: { zone: string };
}): Upstreams {
  const { registry, live, dependencies, log, instance } = deps;
  const pass = createCallPass(deps.secret);
  const peers = new Map<string, Peer>();
  const plans = new Map<string, { plan: Plan<Peer>; until: number }>();
  const budgets = new Map<string, RetryBudget>();

  function remove(peer: Peer): void {
    peers.delete(peer.instance.id);
    // What is under way there ends in its own time.
    peer.close();
  }

  const unwatch = registry.watch({
    news(known: readonly Seen[]) {
      for (const seen of known) {
        if (seen.address === null || seen.services.length === 0) continue;
        const peer = peers.get(seen.id);
        if (peer) peer.learn(seen);
        else
          peers.set(
            seen.id,
            createPeer(seen, pass, () => plans.clear()),
          );
      }
      const listed = new Set(known.map(({ id }) => id));
      const nowMs = performance.now();
      for (const [id, peer] of peers)
        if (!listed.has(id) && (peer.isLeaving || nowMs - peer.listedAt > rememberedMs)) remove(peer);
      plans.clear();
    },
    left(id) {
      const peer = peers.get(id);
      if (peer) peer.isLeaving = true;
      plans.clear();
    },
  });
  const unlisten = live.onChange(() => plans.clear());

  /** Those who serve it: the well ones, else any that is not on its way out, else any. */
  function candidates(service: string, nowMs: number): Peer[] {
    const all = [...peers.values()].filter((peer) => peer.instance.services.includes(service));
    const newest = Math.max(...all.map(({ listedAt }) => listedAt));
    const staying = all.filter(({ isLeaving }) => !isLeaving);
    const listed = staying.filter(({ listedAt }) => newest - listedAt < 1_500);
    const well = listed.filter((peer) => peer.instance.health !== "fail" && !peer.ejection.isOut(nowMs));
    return [well, listed, staying, all].find(({ length }) => length > 0) ?? [];
  }

  function zoneWeights(): (zone: string) => number {
    const { zones } = live.current();
    const nowMs = Date.now();
    return (zone) => {
      const setting = zones[zone];
      return (setting && holding<ZoneLayer>(setting, nowMs)?.weight) ?? 100;
    };
  }

  function makePlan(from: Peer[], variant: UpstreamCall["variant"]): Plan<Peer> {
    return planOf(from, variant, instance.zone, zoneWeights());
  }

  function choose(service: string, variant: UpstreamCall["variant"], tried: ReadonlySet<Peer>) {
    const nowMs = performance.now();
    if (tried.size > 0) {
      const fresh = candidates(service, nowMs).filter((peer) => !tried.has(peer));
      if (fresh.length > 0) return pick(makePlan(fresh, variant));
    }
    const key = `${variant} ${service}`;
    let known = plans.get(key);
    if (known === undefined || known.until <= nowMs) {
      const from = candidates(service, nowMs);
      // An ejected one comes back by the clock, and so does a zone whose weight was set for a while: look again soon.
      known = { plan: makePlan(from, variant), until: nowMs + 500 };
      plans.set(key, known);
    }
    return pick(known.plan);
  }

  function eject(peer: Peer, service: string, why: string): void {
    const nowMs = performance.now();
    const all = [...peers.values()].filter((one) => one.instance.services.includes(service));
    const out = all.filter((one) => one.ejection.isOut(nowMs)).length;
    if (peer.ejection.isOut(nowMs) || out + 1 > all.length * maxEjectedShare) return;
    peer.ejection.eject(nowMs);
    plans.clear();
    const { id, address } = peer.instance;
    const forMs = Math.round(peer.ejection.until - nowMs);
    log.warn(
      { upstream: id, address, service, why, forMs },
      "an instance fails and gets nothing for a while",
    );
  }

  function noteFailure(peer: Peer, service: string, failed: "unsent" | "broken", why: string): void {
    const worth = peer.ejection.fail(performance.now());
    // Nobody listens there: no need to find out again.
    if (worth || failed === "unsent") eject(peer, service, why);
  }

  const budgetOf = (service: string): RetryBudget => {
    const known = budgets.get(service);
    if (known) return known;
    // Enough for the calls that are under way on an instance when it is killed.
    const budget = createRetryBudget({ share: 0.1, reserve: 256 });
    budgets.set(service, budget);
    return budget;
  };

  return {
    async call({ name, service, variant, idempotent, context, body }) {
      const { breaker } = dependencies.open({
        name: `service.${service}`,
        title: `the service "${service}"`,
      });
      const ticket = breaker.enter();
      const budget = budgetOf(service);
      budget.deposit();
      const tried = new Set<Peer>();
      let why = "none is registered";
      for (let attempt = 1; attempt <= attempts; attempt++) {
        const peer = choose(service, variant, tried);
        if (peer === undefined) break;
        if (tried.has(peer)) await pause(Math.random() * 25 * 2 ** attempt);
        const deadline = currentDeadline();
        const timeoutMs = deadline && Math.max(1, Math.floor(deadline.remainingMs));
        const sent = await peer.send(
          name,
          timeoutMs === undefined ? context : { ...context, timeoutMs },
          body,
        );
        if (!("failed" in sent)) {
          if (sent.status !== notRun) {
            const nowMs = performance.now();
            if (sent.status !== 500) peer.ejection.ok(nowMs);
            else if (peer.ejection.fail(nowMs)) eject(peer, service, "it answers with faults of its own");
            breaker.done(ticket, true);
            return { ...sent, track: peer.track };
          }
          why = sent.told;
          if (why === tooBusy && !budget.withdraw()) break;
        } else {
          const ended = deadline?.ended();
          if (ended) {
            if (ended.code === "deadline") noteFailure(peer, service, "broken", ended.message);
            breaker.done(ticket, undefined);
            throw ended;
          }
          why = sent.error.message;
          noteFailure(peer, service, sent.failed, why);
          if (sent.failed === "broken" && !(idempotent && budget.withdraw())) {
            breaker.done(ticket, false, why);
            throw lost(service, sent.error);
          }
        }
        tried.add(peer);
      }
      // Found out at once and over as soon as one is back: nothing that a breaker would spare anyone.
      breaker.done(ticket, undefined);
      throw why === tooBusy ? busy(service) : nobody(service, why);
    },
    ejected() {
      const nowMs = performance.now();
      return [...peers.values()]
        .filter((peer) => peer.ejection.isOut(nowMs))
        .map(({ instance: { id } }) => id);
    },
    missing(services) {
      const nowMs = performance.now();
      return [...services].filter((service) => candidates(service, nowMs).length === 0);
    },
    close() {
      unwatch();
      unlisten();
      for (const peer of peers.values()) peer.close();
    },
  };
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

const busy = (service: string) =>
  new AppError("overloaded", `the service "${service}" has too many calls under way; try again shortly`, {
    // Spread, so that those who were refused together do not come back together.
    retryAfterMs: 500 + Math.floor(Math.random() * 1_500),
  });

const nobody = (service: string, why: string) =>
  new AppError(
    "unavailable",
    `no instance of the service "${service}" takes calls (${why}); try again shortly`,
    {
      retryAfterMs: 1_000,
    },
  );

const lost = (service: string, cause: Error) =>
  new AppError(
    "unavailable",
    `the instance of the service "${service}" that worked on this call went away; whether the change was made is not known, so look before you send it again`,
    { cause, retryAfterMs: 1_000 },
  );

// What an operator can change beside switches. Each is one event in the log, then in force here, then pushed to everyone.

import { AppError } from "@signalbox/core/errors";
import { newId } from "@signalbox/core/ids";
import { isDatabaseAway } from "@signalbox/db";
import { hashEvent } from "./chain.ts";
import { type Section, sections } from "./fold.ts";
import { inTime, TookTooLong } from "./in-time.ts";
import type { Live } from "./live.ts";
import { type Act, type ControlLog, plain } from "./log.ts";
import {
  type CacheLayer,
  type CacheTtl,
  type ControlActor,
  type DependencyLayer,
  expired,
  holding,
  type LimitLayer,
  limitSetting,
  type NumberLayer,
  presetLimit,
  type ShedLayer,
  type ShedValues,
  shedValues,
  type WeightLayer,
  type ZoneLayer,
} from "./settings.ts";

// How long a person waits for Postgres before the act is taken without it.
const patienceMs = 2_000;

export type ChangeDeps = { controlLog: ControlLog; live: Live };

export type Why = {
  actor: ControlActor;
  reason: string;
  incident?: string | null;
  requestId: string;
  expiresAt?: Date | null;
};

/** What is left out stays as it is. */
export type LimitChange = Pick<LimitLayer, "rate"> &
  Partial<Pick<LimitLayer, "burst" | "perSeconds" | "by" | "algorithm" | "alonePercent">>;

/** Commits, enforces here, pushes; answers the revision and when it was committed. */
export async function change({ controlLog, live }: ChangeDeps, given: Act) {
  // One id on both ways: an answer of Postgres that comes too late must not make two acts of one.
  const act = { ...given, id: given.id ?? newId() };
  // A statement that Postgres gets to see later all the same must not enter the log out of turn: what was taken without it waits in order.
  let isGivenUp = false;
  const decide: Act["decide"] = (...at) => (isGivenUp ? undefined : act.decide(...at));
  let done: Awaited<ReturnType<ControlLog["append"]>>;
  try {
    done = await inTime(controlLog.append({ ...act, decide }), patienceMs);
  } catch (error) {
    isGivenUp = true;
    const isAway = error instanceof TookTooLong || isDatabaseAway(error);
    // What the platform writes down by itself can wait; a person at the switch can not.
    if (!isAway || act.actor.kind === "platform") throw error;
    return changeWithoutLog(live, act);
  }
  if (done === undefined) return undefined;
  const committedAt = performance.now();
  // The push may fail with Redis away; the poll of Postgres brings everyone the same document.
  await live.announce(done.folded).catch(() => {});
  return { revision: done.event.revision, event: done.event, committedAt, logged: true };
}

/** In force and pushed, and in the log when Postgres is back. */
async function changeWithoutLog(live: Live, act: Act & { id: string }) {
  const taken = await live.takePending((document, after, base) => {
    const at = new Date();
    const decided = act.decide(document, at.getTime());
    if (decided === undefined) return undefined;
    const { id, actor, kind, key, reason, incident = null, requestId, expiresAt = null } = act;
    const event = {
      ...{ id, at, actor, kind, key, reason, incident, requestId, expiresAt },
      revision: after.revision + 1,
      before: plain(decided.before),
      after: plain(decided.after),
      previousHash: after.hash,
    };
    return { ...event, hash: hashEvent(event), base };
  });
  if (taken === undefined) return undefined;
  return { revision: taken.revision, event: taken, committedAt: performance.now(), logged: false };
}

export type Layered<Layer> = Layer & { afterwards: Layer[] };

/** What comes after a value that expires: whatever holds now, as far as it outlives it. */
export function afterwards<Layer extends { expiresAt: string | null }>(
  current: Layered<Layer> | undefined,
  expiresAt: Date | null | undefined,
  nowMs: number,
): Layer[] {
  if (!expiresAt || !current) return [];
  const { afterwards: rest, ...top } = current;
  return [top as unknown as Layer, ...rest].filter(
    (layer) => !expired(layer, nowMs) && !expired(layer, expiresAt.getTime()),
  );
}

export function refusePast(expiresAt: Date | null | undefined, nowMs: number): void {
  if (!expiresAt || expiresAt.getTime() > nowMs) return;
  const message = "must be in the future";
  throw new AppError("invalid", `expiresAt: ${message}`, { errors: [{ field: "expiresAt", message }] });
}

export async function setLimit(deps: ChangeDeps, key: string, to: LimitChange, why: Why) {
  const preset = presetLimit(key);
  const done = await change(deps, {
    ...why,
    kind: "limit.set",
    key,
    decide(document, nowMs) {
      refusePast(why.expiresAt, nowMs);
      const current = document.limits[key];
      const held = current && holding<LimitLayer>(current, nowMs);
      const given = Object.fromEntries(Object.entries(to).filter(([, value]) => value !== undefined));
      const { rate, burst, perSeconds, by, algorithm, alonePercent } = limitSetting.parse({
        burst: Math.max(1, Math.ceil(to.rate)),
        ...preset,
        ...held,
        ...given,
      });
      if (algorithm === "sliding-window" && rate < 1) {
        const message = "a sliding window lets at least 1 call through; give it more seconds";
        throw new AppError("invalid", `rate: ${message}`, { errors: [{ field: "rate", message }] });
      }
      return {
        before: held ?? preset ?? null,
        after: {
          rate,
          burst,
          perSeconds,
          by,
          algorithm,
          alonePercent,
          afterwards: afterwards<LimitLayer>(current, why.expiresAt, nowMs),
        },
      };
    },
  });
  return done!;
}

/** Back to the default, or to no limit where there is none. */
export async function resetLimit(deps: ChangeDeps, key: string, why: Why) {
  const done = await change(deps, {
    ...why,
    kind: "limit.reset",
    key,
    decide(document, nowMs) {
      const current = document.limits[key];
      if (current === undefined) throw new AppError("conflict", `the limit ${key} is at its default already`);
      return { before: holding<LimitLayer>(current, nowMs) ?? null, after: null };
    },
  });
  return done!;
}

export async function setZone(deps: ChangeDeps, key: string, weight: number, why: Why) {
  const done = await change(deps, {
    ...why,
    kind: "zone.set",
    key,
    decide(document, nowMs) {
      refusePast(why.expiresAt, nowMs);
      const current = document.zones?.[key];
      return {
        before: (current && holding<ZoneLayer>(current, nowMs)) ?? null,
        after: { weight, afterwards: afterwards<ZoneLayer>(current, why.expiresAt, nowMs) },
      };
    },
  });
  return done!;
}

export async function setWeight(deps: ChangeDeps, key: string, weight: number, why: Why) {
  const done = await change(deps, {
    ...why,
    kind: "weight.set",
    key,
    decide(document, nowMs) {
      refusePast(why.expiresAt, nowMs);
      const current = document.weights?.[key];
      return {
        before: (current && holding<WeightLayer>(current, nowMs)) ?? null,
        after: { weight, afterwards: afterwards<WeightLayer>(current, why.expiresAt, nowMs) },
      };
    },
  });
  return done!;
}

/** Back to what the procedures say. */
export async function resetWeight(deps: ChangeDeps, key: string, why: Why) {
  const done = await change(deps, {
    ...why,
    kind: "weight.reset",
    key,
    decide(document, nowMs) {
      const current = document.weights?.[key];
      if (current === undefined) throw new AppError("conflict", `no weight is set on ${key}`);
      return { before: holding<WeightLayer>(current, nowMs) ?? null, after: null };
    },
  });
  return done!;
}

export async function setNumber(deps: ChangeDeps, key: string, value: number, why: Why) {
  const done = await change(deps, {
    ...why,
    kind: "number.set",
    key,
    decide(document, nowMs) {
      refusePast(why.expiresAt, nowMs);
      const current = document.numbers?.[key];
      return {
        before: (current && holding<NumberLayer>(current, nowMs)) ?? null,
        after: { value, afterwards: afterwards<NumberLayer>(current, why.expiresAt, nowMs) },
      };
    },
  });
  return done!;
}

export async function resetNumber(deps: ChangeDeps, key: string, why: Why) {
  const done = await change(deps, {
    ...why,
    kind: "number.reset",
    key,
    decide(document, nowMs) {
      const current = document.numbers?.[key];
      if (current === undefined)
        throw new AppError("conflict", `the number ${key} is at its default already`);
      return { before: holding<NumberLayer>(current, nowMs) ?? null, after: null };
    },
  });
  return done!;
}

export async function setCacheTtl(deps: ChangeDeps, key: string, to: CacheTtl, why: Why) {
  const done = await change(deps, {
    ...why,
    kind: "cache_ttl.set",
    key,
    decide(document, nowMs) {
      refusePast(why.expiresAt, nowMs);
      const current = document.caches?.[key];
      return {
        before: (current && holding<CacheLayer>(current, nowMs)) ?? null,
        after: { ...to, afterwards: afterwards<CacheLayer>(current, why.expiresAt, nowMs) },
      };
    },
  });
  return done!;
}

/** Back to what the module says of its own entity. */
export async function resetCacheTtl(deps: ChangeDeps, key: string, why: Why) {
  const done = await change(deps, {
    ...why,
    kind: "cache_ttl.reset",
    key,
    decide(document, nowMs) {
      const current = document.caches?.[key];
      if (current === undefined) throw new AppError("conflict", `nothing is set on the cache ${key}`);
      return { before: holding<CacheLayer>(current, nowMs) ?? null, after: null };
    },
  });
  return done!;
}

/** Given values are laid over those that hold now. */
export async function setShed(deps: ChangeDeps, key: string, to: Partial<ShedValues>, why: Why) {
  const done = await change(deps, {
    ...why,
    kind: "shed.set",
    key,
    decide(document, nowMs) {
      refusePast(why.expiresAt, nowMs);
      const current = document.shed?.[key];
      const held = current && holding<ShedLayer>(current, nowMs);
      const values = held && shedValues.parse(held);
      return {
        before: held ?? null,
        after: { ...values, ...to, afterwards: afterwards<ShedLayer>(current, why.expiresAt, nowMs) },
      };
    },
  });
  return done!;
}

export async function resetShed(deps: ChangeDeps, key: string, why: Why) {
  const done = await change(deps, {
    ...why,
    kind: "shed.reset",
    key,
    decide(document, nowMs) {
      const current = document.shed?.[key];
      if (current === undefined) throw new AppError("conflict", `nothing is set on ${key}`);
      return { before: holding<ShedLayer>(current, nowMs) ?? null, after: null };
    },
  });
  return done!;
}

export async function forceDependency(
  deps: ChangeDeps,
  key: string,
  force: DependencyLayer["force"],
  why: Why,
) {
  const done = await change(deps, {
    ...why,
    kind: "dependency.set",
    key,
    decide(document, nowMs) {
      refusePast(why.expiresAt, nowMs);
      const current = document.dependencies?.[key];
      return {
        before: (current && holding<DependencyLayer>(current, nowMs)) ?? null,
        after: { force, afterwards: afterwards<DependencyLayer>(current, why.expiresAt, nowMs) },
      };
    },
  });
  return done!;
}

/** Writes into the log that a value has expired; everyone has gone by it since the instant itself. */
export function recordExpiry(deps: ChangeDeps, section: Section, key: string) {
  return change(deps, {
    kind: `${section}.expired`,
    key,
    actor: { kind: "platform", id: "expiry", name: "expiry" },
    reason: "its time was over",
    requestId: "expiry",
    decide(document, nowMs) {
      const setting: Layered<{ expiresAt: string | null }> | undefined =
        document[sections[section].field]?.[key];
      // Another process was faster, or an operator decided anew meanwhile.
      if (setting === undefined || !expired(setting, nowMs)) return undefined;
      const index = setting.afterwards.findIndex((layer) => !expired(layer, nowMs));
      const { afterwards: _rest, ...before } = setting;
      if (index < 0) return { before, after: null };
      return {
        before,
        after: { ...setting.afterwards[index], afterwards: setting.afterwards.slice(index + 1) },
      };
    },
  });
}

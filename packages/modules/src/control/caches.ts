// What is cached, how well, and for how long; and what operators have forgotten at once, everywhere.

import { resetCacheTtl, setCacheTtl } from "@signalbox/control/changes";
import { type CacheLayer, holding } from "@signalbox/control/settings";
import type { EntityDefinition } from "@signalbox/core/cache/cache";
import { sumReports } from "@signalbox/core/cache/report";
import type { Ttl } from "@signalbox/core/cache/settings";
import { AppError } from "@signalbox/core/errors";
import type { z } from "zod";
import type { AsOperator, Source } from "../ctx.ts";
import { entities } from "../entities.ts";
import { pageByKey } from "./list.ts";
import { noteAct } from "./note.ts";
import { confirmed, planeOf } from "./plane.ts";
import type {
  CacheItem,
  CacheSet,
  Changed,
  Invalidate,
  OperatorPage,
  ResetCacheTtl,
  SetCacheTtl,
  WarmCaches,
} from "./schema.ts";
import { whyOf } from "./why.ts";

const moduleOf = (name: string) => name.split(".")[0]!;
const names = entities.map(({ name }) => name);
const below = (key: string) =>
  names.filter((name) => key === "*" || name === key || name.startsWith(`${key}.`));

function requireCache(key: string): void {
  if (below(key).length === 0)
    throw new AppError(
      "not_found",
      `nothing that is cached is called ${key}; the list is in GET /operator/v1/caches`,
    );
}

export async function listCaches(ctx: AsOperator, page: z.infer<typeof OperatorPage>) {
  const alive = await ctx.registry.list();
  const reports = await ctx.cache.reports((alive ?? []).map(({ id }) => id));
  const items = sumReports(reports).map(({ name, counts, ...of }): CacheItem => {
    const { l1Hits, l2Hits, negativeHits, misses, stale, loads, loadErrors, invalidations } = counts;
    const hits = l1Hits + l2Hits;
    return {
      entity: name,
      module: moduleOf(name),
      entries: of.entries,
      hits,
      l1Hits,
      l2Hits,
      negativeHits,
      misses,
      stale,
      hitRate: hits + misses === 0 ? null : Math.round((hits / (hits + misses)) * 10_000) / 10_000,
      fills: loads,
      fillErrors: loadErrors,
      fillP50Ms: rounded(of.fillP50Ms),
      fillP99Ms: rounded(of.fillP99Ms),
      invalidations,
      ttl: of.ttl,
      instances: of.instances.map(({ instance, entries, counts }) => ({
        instance,
        entries,
        hits: counts.l1Hits + counts.l2Hits,
        misses: counts.misses,
        stale: counts.stale,
      })),
    };
  });
  return {
    ...pageByKey("caches", items, page, ({ entity }) => entity),
    known: alive !== undefined,
    since: new Date(Math.min(...reports.map(({ since }) => since))).toISOString(),
    set: setOf(ctx),
  };
}

const rounded = (ms: number | null) => (ms === null ? null : Math.round(ms * 100) / 100);

/** What operators set, by entity or prefix. */
function setOf(ctx: AsOperator): CacheSet[] {
  const nowMs = ctx.now().getTime();
  return Object.entries(ctx.live.current().caches).flatMap(([key, setting]): CacheSet[] => {
    const layer = holding<CacheLayer>(setting, nowMs);
    if (!layer) return [];
    const { order: _order, ...rest } = layer;
    return [{ key, ...rest }];
  });
}

/** The log says what kind of thing was forgotten, never whose: it can not be edited when that person is erased. */
export async function invalidate(ctx: AsOperator, { reason, incident, ...what }: z.infer<typeof Invalidate>) {
  const { name, id } = targetOf(what);
  requireCache(name);
  await noteAct(ctx, "cache.invalidated", name, { reason, incident }, { after: { one: id !== undefined } });
  const reports = await ctx.registry
    .list()
    .then((alive) => alive && ctx.cache.reports(alive.map((one) => one.id)));
  return ctx.cache.invalidate(
    { name, ...(id === undefined ? {} : { id }) },
    reports?.map(({ instance }) => instance),
  );
}

/** `users.profile:<id>` is one value; an entity, a module and a prefix are what stands below them. */
function targetOf({ key, prefix, module }: Omit<z.infer<typeof Invalidate>, "reason">) {
  if (key === undefined) return { name: prefix ?? module ?? "*" };
  const colon = key.indexOf(":");
  return colon < 0 ? { name: key } : { name: key.slice(0, colon), id: key.slice(colon + 1) };
}

export async function warm(ctx: AsOperator, { prefix, ...why }: z.infer<typeof WarmCaches>) {
  requireCache(prefix);
  await noteAct(ctx, "cache.warmed", prefix, why);
  return { values: await ctx.cache.warm(prefix) };
}

export async function changeCacheTtl(ctx: AsOperator, input: z.infer<typeof SetCacheTtl>): Promise<Changed> {
  const plane = planeOf(ctx);
  const { entity, reason: _reason, incident: _incident, expiresAt: _expiresAt, ...ttl } = input;
  requireCache(entity);
  const before = ttlsBelow(ctx, entity);
  const done = await confirmed(plane, await setCacheTtl(plane, entity, ttl, whyOf(ctx, input)));
  // What is kept already was given its end when it came.
  if (isShorter(before, ttlsBelow(ctx, entity))) await ctx.cache.invalidate({ name: entity }, []);
  return done;
}

export async function revertCacheTtl(
  ctx: AsOperator,
  input: z.infer<typeof ResetCacheTtl>,
): Promise<Changed> {
  const plane = planeOf(ctx);
  requireCache(input.entity);
  const before = ttlsBelow(ctx, input.entity);
  const done = await confirmed(plane, await resetCacheTtl(plane, input.entity, whyOf(ctx, input)));
  if (isShorter(before, ttlsBelow(ctx, input.entity))) await ctx.cache.invalidate({ name: input.entity }, []);
  return done;
}

function ttlsBelow(ctx: AsOperator, key: string): Ttl[] {
  const names = below(key);
  const definitions: EntityDefinition<Source, unknown>[] = entities.filter(({ name }) =>
    names.includes(name),
  );
  return definitions.map((definition) => ctx.cache.entity(definition).ttl());
}

const isShorter = (before: Ttl[], after: Ttl[]): boolean =>
  after.some((ttl, at) =>
    (["l1Ms", "l2Ms", "negativeMs"] as const).some((each) => ttl[each] < before[at]![each]),
  );

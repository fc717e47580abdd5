// Caches: how they do, how long they keep, and what they shall forget.

import { cacheTtl, whyShape } from "@signalbox/control/settings";
import { z } from "zod";
import { anyKey, decided, endInstant, listOf } from "./shape-parts.ts";

const CacheTimes = z.object({
  l1Ms: z
    .number()
    .describe(
      "in the memory of one process; 0: each read asks Redis, and memory serves only while Redis and the source are away",
    ),
  l2Ms: z.number().describe("in Redis, for all"),
  negativeMs: z.number().describe("how long it is believed that there is nothing"),
  staleMs: z.number().describe("how much longer, should the source be away"),
  cdnSeconds: z.number().describe("what a CDN may keep of an answer to a guest"),
});
const entries = z.number().int().describe("in memory");
/** Counts are of the last five minutes, over all instances. */
export const CacheItem = z.object({
  entity: z.string(),
  module: z.string(),
  entries,
  hits: z.number().int(),
  l1Hits: z.number().int(),
  l2Hits: z.number().int(),
  negativeHits: z.number().int(),
  misses: z.number().int(),
  stale: z.number().int(),
  /** 0 to 1; null where nobody asked. */
  hitRate: z.number().nullable(),
  fills: z.number().int(),
  fillErrors: z.number().int(),
  fillP50Ms: z.number().nullable(),
  fillP99Ms: z.number().nullable(),
  invalidations: z.number().int(),
  ttl: CacheTimes.describe("in force, whoever set it"),
  instances: z.array(
    z.object({
      instance: z.string(),
      entries,
      hits: z.number().int(),
      misses: z.number().int(),
      stale: z.number().int(),
    }),
  ),
});
/** What an operator set on an entity, a prefix or `*`. */
export const CacheSet = z.object({
  key: z.string(),
  ...cacheTtl.shape,
  ...decided,
});
/** `known` is false where the registry is away: then only the answering process is told of. */
export const CacheList = listOf(CacheItem).extend({
  known: z.boolean(),
  since: z.string(),
  set: z.array(CacheSet),
});

export const SetCacheTtl = cacheTtl
  .extend({ entity: anyKey, ...whyShape, expiresAt: endInstant })
  .refine(
    (given) => Object.keys(cacheTtl.shape).some((name) => given[name as keyof typeof given] !== undefined),
    {
      path: ["l1Ms"],
      message: "one of l1Ms, l2Ms, negativeMs, staleMs and cdnSeconds is needed",
    },
  );
export const ResetCacheTtl = z.object({ entity: anyKey, ...whyShape });
export const Invalidate = z
  .object({
    key: z.string().min(1).max(300).optional().describe("one value, as `users.handle:ann`"),
    prefix: anyKey.optional().describe("an entity, all below a prefix, or *"),
    module: anyKey.optional(),
    ...whyShape,
  })
  .refine(
    ({ key, prefix, module }) => [key, prefix, module].filter((one) => one !== undefined).length === 1,
    {
      path: ["key"],
      message: "exactly one of key, prefix and module is needed",
    },
  );
export const WarmCaches = z.object({ prefix: anyKey.default("*"), ...whyShape });
export const Warmed = z.object({ values: z.number().int() });

export type CacheItem = z.infer<typeof CacheItem>;
export type CacheSet = z.infer<typeof CacheSet>;

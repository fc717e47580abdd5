// How long caches keep what they hold.

import { z } from "zod";
import { provenance } from "./key-and-provenance.ts";

export const milliseconds = z
  .number()
  .int()
  .min(0)
  .max(30 * 86_400_000);

/** How long values of an entity (`users.profile`), or of all below a prefix, stay cached; what is left out stays as it is. */
export const cacheTtl = z.object({
  l1Ms: milliseconds.optional(),
  l2Ms: milliseconds.optional(),
  negativeMs: milliseconds.optional(),
  staleMs: milliseconds.optional(),
  cdnSeconds: z.number().int().min(0).max(86_400).optional(),
});
const cacheLayer = z.object({ ...cacheTtl.shape, ...provenance });
export const cacheSetting = cacheLayer.extend({ afterwards: z.array(cacheLayer).default([]) });

export type CacheSetting = z.output<typeof cacheSetting>;
export type CacheLayer = z.output<typeof cacheLayer>;
export type CacheTtl = z.output<typeof cacheTtl>;

// The cache in the text format of Prometheus.

import { type Family, gauge } from "../metrics.ts";
import type { CacheStatus } from "./cache.ts";
import type { Counters } from "./counters.ts";

export function cacheFamilies({ entities, redis, unsent }: CacheStatus): Family[] {
  const counter = (name: string, help: string, read: (of: Counters) => Record<string, number>): Family => ({
    name,
    help,
    type: "counter",
    samples: entities.flatMap((entity) =>
      Object.entries(read(entity)).map(([kind, value]) => ({
        labels: { entity: entity.name, ...(kind === "" ? {} : { level: kind }) },
        value,
      })),
    ),
  });
  return [
    counter("signalbox_cache_hits_total", "Answers from memory (l1) and from Redis (l2).", (of) => ({
      l1: of.l1Hits,
      l2: of.l2Hits,
    })),
    counter("signalbox_cache_misses_total", "Answers that were in neither.", (of) => ({ "": of.misses })),
    counter("signalbox_cache_stale_total", "Answers that were no longer fresh.", (of) => ({ "": of.stale })),
    counter("signalbox_cache_fills_total", "Times the source was asked.", (of) => ({ "": of.loads })),
    counter("signalbox_cache_fill_errors_total", "Times it failed.", (of) => ({ "": of.loadErrors })),
    counter("signalbox_cache_fill_seconds_total", "Time spent asking it.", (of) => ({
      "": of.loadMs / 1_000,
    })),
    {
      name: "signalbox_cache_entries",
      help: "Values in memory.",
      type: "gauge",
      samples: entities.map(({ name, inMemory }) => ({ labels: { entity: name }, value: inMemory })),
    },
    gauge("signalbox_cache_redis_up", "Whether the cache uses Redis.", redis ? 1 : 0),
    gauge("signalbox_cache_unsent_invalidations", "Invalidations that Redis could not be told yet.", unsent),
  ];
}

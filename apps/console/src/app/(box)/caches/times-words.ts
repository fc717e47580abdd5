// How long things are kept, in words: only what is said is named.

import type { CacheItem } from "@signalbox/modules/control/schema";
import { duration } from "@/format.ts";

export function timesWords({
  l1Ms,
  l2Ms,
  negativeMs,
  staleMs,
  cdnSeconds,
}: Partial<CacheItem["ttl"]>): string {
  const words = [
    l1Ms !== undefined && `${duration(l1Ms)} in memory`,
    l2Ms !== undefined && `${duration(l2Ms)} in Redis`,
    negativeMs !== undefined && `nothing for ${duration(negativeMs)}`,
    staleMs !== undefined && `stale for ${duration(staleMs)}`,
    cdnSeconds !== undefined && `${duration(cdnSeconds * 1_000)} on a CDN`,
  ];
  return words.filter(Boolean).join(", ");
}

// Which acts the log shows; the first is meant when the address says nothing.

import type { Choice } from "@/url-state.ts";

export const kinds = {
  name: "kind",
  values: ["all", "switch", "canary", "limit", "cache_ttl", "user", "case", "personal", "application"],
} as const satisfies Choice<string>;

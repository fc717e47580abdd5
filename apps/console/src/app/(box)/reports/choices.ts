// Which reports the page shows; the first is meant when the address says nothing.

import type { Choice } from "@/url-state.ts";

export const states = { name: "state", values: ["open", "decided"] } as const satisfies Choice<string>;

// Which switches the page shows; the first is meant when the address says nothing.

import type { Choice } from "@/url-state.ts";

export const shows = { name: "show", values: ["all", "off", "touched"] } as const satisfies Choice<string>;
export type Show = (typeof shows.values)[number];

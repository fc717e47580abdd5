// What the overview can be asked for in its address; the first of each is meant when nothing is said.

import type { Choice } from "@/url-state.ts";

export const spans = { name: "window", values: ["5m", "30s", "1h"] } as const satisfies Choice<string>;
export const groupings = {
  name: "by",
  values: ["endpoint", "service", "version", "track"],
} as const satisfies Choice<string>;

export type Span = (typeof spans.values)[number];
export type Grouping = (typeof groupings.values)[number];

/** A chart of 30 s would hold six points, so it is cut from the course of five minutes. */
export const courseWindow = (window: Span) => (window === "1h" ? "1h" : "5m");

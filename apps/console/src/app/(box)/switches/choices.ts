// Which switches the page shows; the first is meant when the address says nothing.

import type { Choice } from "@/url-state.ts";

export const shows = {
  name: "show",
  values: ["all", "off", "touched", "flagged"],
} as const satisfies Choice<string>;
type Show = (typeof shows.values)[number];

export const kinds = {
  name: "kind",
  values: ["all", "procedure", "work", "optional", "dependency", "tag", "own"],
} as const satisfies Choice<string>;
type ShownKind = (typeof kinds.values)[number];

export type Narrowed = { text: string; show: Show; kind: ShownKind; tag: string | undefined };

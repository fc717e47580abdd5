// The versions of the public API, side by side: one set of procedures, and for each version the shapes that differ.

import { feedShapesOfV2 } from "./feed/v2.ts";
import type { Shapes } from "./shapes.ts";

export type Version = { name: string; shapes: Shapes };

/** Oldest first: each is the successor of the one before it. tRPC has the shapes of the procedures themselves. */
export const versions: Version[] = [
  { name: "v1", shapes: new Map() },
  { name: "v2", shapes: new Map([...feedShapesOfV2]) },
];

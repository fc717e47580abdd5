// The versions of the public API, side by side: one set of procedures, and for each version the shapes that differ.

import type { z } from "zod";
import { feedShapesOfV2 } from "./feed/v2.ts";

/** How a version shows what a procedure gives. */
export type Shape = { output: z.ZodType; present: (value: never) => unknown };
/** By the output schema of the procedure, so that a new procedure that gives the same thing is shown the same way. */
export type Shapes = ReadonlyMap<z.ZodType, Shape>;
export type Version = { name: string; shapes: Shapes };

/** Oldest first: each is the successor of the one before it. tRPC has the shapes of the procedures themselves. */
export const versions: Version[] = [
  { name: "v1", shapes: new Map() },
  { name: "v2", shapes: new Map([...feedShapesOfV2]) },
];

// How a version of the public API shows what a procedure gives, where that differs from what the procedure says of itself.

import type { z } from "zod";

export type Shape = { output: z.ZodType; present: (value: never) => unknown };

/** By the output schema of the procedure, so that a new procedure that gives the same thing is shown the same way. */
export type Shapes = ReadonlyMap<z.ZodType, Shape>;

// What many of the operators' shapes are made of.

import { z } from "zod";

/** Any text: what is not a key of ours is a 404, not a fault in a form. */
export const anyKey = z.string().min(1).max(200);

export const instant = z.iso.datetime({ offset: true });
/** An end in the past would be a change that never holds. */
export const endInstant = instant.nullable().optional();

/** Without a limit an operator gets everything. */
export const OperatorPage = z.object({
  limit: z.coerce.number().int().min(1).max(1_000).optional(),
  cursor: z.string().max(200).optional(),
});
export const listOf = <Item extends z.ZodType>(item: Item) =>
  z.object({ items: z.array(item), nextCursor: z.string().nullable() });

export const ActorShape = z.object({ kind: z.string(), id: z.string(), name: z.string() });

export const Confirmations = z.object({
  /** Null: the registry is gone, so nobody knows how many there are. */
  expected: z.number().int().nullable(),
  confirmed: z.number().int(),
  slowestMs: z.number().nullable(),
  missing: z.array(z.string()),
});
export const Changed = z.object({
  version: z.number().int(),
  confirmations: Confirmations,
  logged: z
    .boolean()
    .optional()
    .describe("false: the database is away; the change is in force, and enters the log when that is back"),
});

export const decided = {
  reason: z.string(),
  expiresAt: z.string().nullable(),
  /** 0: never touched. */
  revision: z.number().int(),
  changedAt: z.string().nullable(),
  changedBy: ActorShape.nullable(),
};

export type Changed = z.infer<typeof Changed>;

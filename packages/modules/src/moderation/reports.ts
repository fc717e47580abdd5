// What users report, and the queue in which it waits for a decision, oldest first.

import { AppError } from "@signalbox/core/errors";
import { newId } from "@signalbox/core/ids";
import { tables } from "@signalbox/db";
import { and, asc, eq, gt, isNull, sql } from "@signalbox/db/query";
import type { z } from "zod";
import { byOf } from "../auth/index.ts";
import type { AsUser, Ctx } from "../ctx.ts";
import { openCursor, toPage } from "../page.ts";
import type { CreateReport, Report, Resolve } from "./schema.ts";

const { reports } = tables;

export async function createReport(
  ctx: AsUser,
  input: z.infer<typeof CreateReport>,
): Promise<{ id: string }> {
  const id = newId();
  const { kind, id: subjectId } = input.subject;
  await ctx.db
    .insert(reports)
    .values({ userId: ctx.actor.id, id, subjectKind: kind, subjectId, reason: input.reason });
  return { id };
}

const present = (row: typeof reports.$inferSelect): z.infer<typeof Report> => ({
  id: row.id,
  reporterId: row.userId,
  subject: { kind: row.subjectKind, id: row.subjectId },
  reason: row.reason,
  createdAt: row.createdAt.toISOString(),
  resolvedAt: row.resolvedAt?.toISOString() ?? null,
  resolution: row.resolution,
  resolvedFor: row.resolvedFor,
  resolvedBy: row.resolvedBy,
});

export async function listReports(
  ctx: Ctx,
  { state, limit = 1_000, cursor }: { state: "open" | "resolved" | "all"; limit?: number; cursor?: string },
) {
  const after = openCursor("reports", cursor);
  const which = {
    open: isNull(reports.resolvedAt),
    resolved: sql`${reports.resolvedAt} is not null`,
    all: undefined,
  }[state];
  const rows = await ctx.db
    .select()
    .from(reports)
    .where(and(which, after ? gt(reports.id, after) : undefined))
    .orderBy(asc(reports.id))
    .limit(limit + 1);
  return toPage("reports", rows, limit, ({ id }) => id, present);
}

/** Of two who decide at once, the first does. */
export async function resolveReport(
  ctx: Ctx,
  input: z.infer<typeof Resolve>,
): Promise<z.infer<typeof Report>> {
  const [row] = await ctx.db
    .update(reports)
    .set({
      resolvedAt: sql`now()`,
      resolution: input.resolution,
      resolvedFor: input.reason,
      resolvedBy: byOf(ctx),
    })
    .where(and(eq(reports.id, input.id), isNull(reports.resolvedAt)))
    .returning();
  if (row) return present(row);
  const [known] = await ctx.db.select().from(reports).where(eq(reports.id, input.id));
  if (!known) throw new AppError("not_found", "there is no report under this id");
  throw new AppError("conflict", `this report was ${known.resolution} before, by ${known.resolvedBy}`);
}

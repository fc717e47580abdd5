// Going over a read model: asked for by an operator, done by one worker at a time, and continued by another where that one died.

import { setTimeout as pause } from "node:timers/promises";
import { AppError } from "@signalbox/core/errors";
import { newId } from "@signalbox/core/ids";
import { isDatabaseAway, tables } from "@signalbox/db";
import { eq, sql } from "@signalbox/db/query";
import type { z } from "zod";
import type { Ctx } from "../ctx.ts";
import type { ReadModel } from "./read-model.ts";
import { readModels } from "./read-models.ts";
import type { ReadModelItem } from "./schema.ts";

const { readModelRuns } = tables;
type Row = typeof readModelRuns.$inferSelect;
type Item = z.infer<typeof ReadModelItem>;

const leaseSeconds = 30;
const retrySeconds = 3;

export function requireReadModel(name: string): ReadModel {
  const model = readModels.find((each) => each.name === name);
  if (!model)
    throw new AppError(
      "not_found",
      `there is no read model ${name}; there are: ${readModels.map((each) => each.name).join(", ")}`,
    );
  return model;
}

export async function listRuns(ctx: Ctx): Promise<Item[]> {
  const rows = await ctx.db.select().from(readModelRuns);
  return readModels.map((model) =>
    present(
      model,
      rows.find((row) => row.name === model.name),
    ),
  );
}

export async function readRun(ctx: Ctx, name: string): Promise<Item> {
  const model = requireReadModel(name);
  const [row] = await ctx.db.select().from(readModelRuns).where(eq(readModelRuns.name, name));
  return present(model, row);
}

/** One that runs already is answered instead, if it does the same. */
export async function beginRun(ctx: Ctx, name: string, heals: boolean): Promise<Item> {
  const model = requireReadModel(name);
  // Rounded down: the column keeps milliseconds, and a rounded-up now would be a moment ahead.
  const leaseUntil = sql`date_trunc('milliseconds', now())`;
  const fresh = { id: newId(), heals, total: await model.total(ctx), leaseUntil };
  const begun = await ctx.db
    .insert(readModelRuns)
    .values({ name, ...fresh })
    .onConflictDoUpdate({
      target: readModelRuns.name,
      set: {
        ...fresh,
        state: "running",
        after: null,
        done: 0,
        wrong: 0,
        error: null,
        createdAt: sql`now()`,
        finishedAt: null,
      },
      setWhere: eq(readModelRuns.state, "done"),
    })
    .returning();
  if (begun.length > 0) return present(model, begun[0]);
  const [running] = await ctx.db.select().from(readModelRuns).where(eq(readModelRuns.name, name));
  if (running && running.heals !== heals)
    throw new AppError(
      "conflict",
      `${name} is being ${running.heals ? "rebuilt" : "compared"}; wait until that is done`,
    );
  return present(model, running);
}

function present({ name, module, text }: ReadModel, row: Row | undefined): Item {
  if (!row) return { name, module, text, run: null };
  const { id, heals, state, total, done, wrong, error, createdAt, finishedAt } = row;
  const run = { id, heals, state, total, done, wrong, error, createdAt: createdAt.toISOString() };
  return { name, module, text, run: { ...run, finishedAt: finishedAt?.toISOString() ?? null } };
}

/** False: there was nothing to do. `stop` is asked between two steps. */
export async function continueRun(ctx: Ctx, stop: () => boolean = () => false): Promise<boolean> {
  const [taken] = await ctx.sql<{ name: string; id: string; heals: boolean; after: string | null }[]>`
    update read_model_runs set lease_until = now() + ${leaseSeconds} * interval '1 second'
    where name = (
      select name from read_model_runs where state = 'running' and lease_until <= now()
      order by created_at limit 1 for update skip locked)
    returning name, id, heals, after`;
  if (!taken) return false;
  try {
    await goOver(ctx, requireReadModel(taken.name), taken, stop);
  } catch (error) {
    if (isDatabaseAway(error)) throw error;
    ctx.log.warn(
      { error, readModel: taken.name },
      "going over a read model failed; it goes on from there soon",
    );
    const text = error instanceof Error ? error.message : String(error);
    await ctx.sql`
      update read_model_runs set error = ${text.slice(0, 500)}, lease_until = now() + ${retrySeconds} * interval '1 second'
      where id = ${taken.id}`;
  }
  return true;
}

async function goOver(
  ctx: Ctx,
  model: ReadModel,
  { id, heals, after: from }: { id: string; heals: boolean; after: string | null },
  stop: () => boolean,
): Promise<void> {
  for (let after = from; ; ) {
    const began = performance.now();
    const step = await model.step(ctx, after, { heals });
    // Each thing counts once: who took the run over in the meantime has counted this.
    const kept = await ctx.sql`
      update read_model_runs set
        done = done + ${step.done}, wrong = wrong + ${step.wrong}, after = ${step.after}, error = null,
        state = ${step.after === null ? "done" : "running"}, finished_at = ${step.after === null ? ctx.sql`now()` : null},
        lease_until = now() + ${leaseSeconds} * interval '1 second'
      where id = ${id} and state = 'running' and after is not distinct from ${after}`;
    if (step.after === null || kept.count === 0) return;
    after = step.after;
    if (stop()) {
      await ctx.sql`update read_model_runs set lease_until = now() where id = ${id}`;
      return;
    }
    // As long a rest as the work took: everyone else is served meanwhile.
    await pause(Math.min(performance.now() - began, 500));
  }
}

// Does what was asked for: one request at a time and process, one step after the other. A request belongs to who holds its
// lease; whoever dies in the middle is followed by another, which goes on after the last step that was written down.

import { setTimeout } from "node:timers/promises";
import { isDatabaseAway, tables } from "@signalbox/db";
import { eq } from "@signalbox/db/query";
import type { Ctx } from "../ctx.ts";
import { writeArchive } from "./archive.ts";
import { holdings } from "./holdings.ts";
import { findTraces } from "./traces.ts";

const { personalRequests } = tables;
type Request = typeof personalRequests.$inferSelect;

const leaseSeconds = 60;
const maxExportAttempts = 5;
/** What was under way when the account went may still write; then the steps run once more. */
const maxRounds = 3;
const roundPauseMs = 500;
const archiveDays = 7;

/** False: there was nothing to do. `stop` is asked between two steps. */
export async function runNextRequest(ctx: Ctx, stop: () => boolean = () => false): Promise<boolean> {
  const request = await takeRequest(ctx);
  if (!request?.userId) return false;
  try {
    if (request.kind === "erasure") await erase(ctx, request, request.userId, stop);
    else await exportAll(ctx, request, request.userId);
  } catch (error) {
    if (isDatabaseAway(error)) throw error;
    await postpone(ctx, request, error);
  }
  return true;
}

async function takeRequest({ sql, db }: Ctx): Promise<Request | undefined> {
  const [taken] = await sql<{ id: string }[]>`
    update personal_requests set state = 'running', attempts = attempts + 1,
      lease_until = now() + ${leaseSeconds} * interval '1 second'
    where id = (
      select id from personal_requests
      where state in ('waiting', 'running') and (lease_until is null or lease_until <= now())
      order by created_at limit 1 for update skip locked)
    returning id`;
  if (!taken) return undefined;
  const [row] = await db.select().from(personalRequests).where(eq(personalRequests.id, taken.id));
  return row;
}

async function erase(ctx: Ctx, request: Request, userId: string, stop: () => boolean): Promise<void> {
  let { steps } = request;
  for (let round = 1; ; round++) {
    for (const holding of holdings) {
      for (const step of holding.erase) {
        const name = `${holding.name}.${step.name}`;
        if (steps.some((done) => done.name === name)) continue;
        if (stop()) return release(ctx, request);
        const count = await step.run(ctx, userId);
        steps = [...steps, { name, count }];
        await keepSteps(ctx, request, steps);
      }
    }
    const left = await findTraces(ctx, { id: userId }, { running: true });
    if (left.total === 0) break;
    if (round === maxRounds)
      throw new Error(
        `after ${round} rounds there is still: ${left.items.map(({ place, count }) => `${place} (${count})`).join(", ")}`,
      );
    // Consumers of the bus are behind by moments; what they have not handled yet can not be taken from its streams.
    await setTimeout(roundPauseMs * round);
    steps = [];
    await keepSteps(ctx, request, steps);
  }
  // What stays says that it was done, not to whom.
  await ctx.sql`
    update personal_requests set state = 'done', user_id = null, error = null, lease_until = null, finished_at = now()
    where id = ${request.id}`;
}

async function exportAll(ctx: Ctx, request: Request, userId: string): Promise<void> {
  const steps: Request["steps"] = [];
  await writeArchive(ctx, { userId, requestId: request.id, holdings }, async (name, count) => {
    steps.push({ name, count });
    await keepSteps(ctx, request, steps);
  });
  await ctx.sql`
    update personal_requests set state = 'done', error = null, lease_until = null, finished_at = now(),
      expires_at = now() + ${archiveDays} * interval '1 day'
    where id = ${request.id}`;
}

/** A step may take longer than the lease: then another begins it too, and both end with nothing left. */
async function keepSteps({ sql }: Ctx, { id }: Request, steps: Request["steps"]): Promise<void> {
  await sql`
    update personal_requests set steps = ${JSON.stringify(steps)}::text::jsonb,
      lease_until = now() + ${leaseSeconds} * interval '1 second'
    where id = ${id}`;
}

async function release({ sql }: Ctx, { id }: Request): Promise<void> {
  await sql`update personal_requests set lease_until = null where id = ${id}`;
}

/** An erasure is tried for as long as it takes: it is owed. */
async function postpone(ctx: Ctx, request: Request, error: unknown): Promise<void> {
  ctx.log.error(
    { err: error, request: request.id, kind: request.kind },
    "a request about personal data failed",
  );
  const text = error instanceof Error ? error.message : String(error);
  const state = request.kind === "export" && request.attempts >= maxExportAttempts ? "failed" : "waiting";
  const waitSeconds = Math.min(2 ** request.attempts, 300);
  await ctx.sql`
    update personal_requests set state = ${state}, error = ${text.slice(0, 500)},
      steps = case when kind = 'erasure' then '[]'::jsonb else steps end,
      lease_until = now() + ${waitSeconds} * interval '1 second'
    where id = ${request.id}`;
}

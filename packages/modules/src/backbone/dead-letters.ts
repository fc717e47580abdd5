// Events that no attempt could handle: seen, run again, or given up by an operator.

import { AppError } from "@signalbox/core/errors";
import {
  discardDeadLetter,
  listDeadLetters,
  replayDeadLetters,
  type DeadLetter as Stored,
} from "@signalbox/db/dead-letters";
import type { z } from "zod";
import { openRevision } from "../control/list.ts";
import { noteAct } from "../control/note.ts";
import type { AsOperator } from "../ctx.ts";
import { sealCursor } from "../page.ts";
import { requireConsumer } from "./queues.ts";
import type { DeadLetter, DeadLetterQuery, ForLetter, ReplayLetters } from "./schema.ts";

const everything = 10_000;

export async function listLetters(ctx: AsOperator, query: z.infer<typeof DeadLetterQuery>) {
  const { queue, topic, limit = everything, cursor } = query;
  const from = openRevision("deadletters", cursor);
  const found = await listDeadLetters(ctx.sql, {
    group: queue,
    topic,
    limit: limit + 1,
    after: from === undefined ? undefined : String(from),
  });
  const page = found.slice(0, limit);
  const last = found.length > limit ? page.at(-1) : undefined;
  return { items: page.map(present), nextCursor: last ? sealCursor("deadletters", last.sequence) : null };
}

export async function readLetter(ctx: AsOperator, id: string): Promise<DeadLetter> {
  const [letter] = await listDeadLetters(ctx.sql, { sequence: id });
  if (!letter)
    throw new AppError("not_found", `there is no dead letter ${id}; it may have been handled since`);
  return present(letter);
}

export async function replayLetter(ctx: AsOperator, { id, ...why }: z.infer<typeof ForLetter>) {
  const letter = await readLetter(ctx, id);
  const asked = await replayDeadLetters(ctx.sql, { sequence: id });
  await noteAct(ctx, "deadletter.replay", letter.queue, why, { after: { id, topic: letter.topic } });
  return { asked };
}

export async function replayLetters(ctx: AsOperator, { queue, ...why }: z.infer<typeof ReplayLetters>) {
  const asked = await replayDeadLetters(ctx.sql, queue === undefined ? { all: true } : { group: queue });
  // Letters outlive a consumer that a release no longer has, so only a name that nothing has is a mistake.
  if (asked === 0 && queue !== undefined) requireConsumer(queue);
  await noteAct(ctx, "deadletter.replay", queue ?? "*", why, { after: { asked } });
  return { asked };
}

export async function discardLetter(ctx: AsOperator, { id, ...why }: z.infer<typeof ForLetter>) {
  const letter = await readLetter(ctx, id);
  await discardDeadLetter(ctx.sql, id);
  // What was given up must be found again by whoever regrets it: the log keeps which event it was.
  await noteAct(ctx, "deadletter.discard", letter.queue, why, {
    before: { id, topic: letter.topic, eventId: letter.eventId, error: letter.error },
  });
}

function present({ sequence, group, event, at, replayRequestedAt, ...rest }: Stored): DeadLetter {
  const { topic, key, eventId, error, attempts, waiting } = rest;
  const { payload, requestId } = event as { payload?: unknown; requestId?: string };
  return {
    id: sequence,
    queue: group,
    topic,
    key,
    eventId,
    error,
    attempts,
    failedAt: at.toISOString(),
    replayRequestedAt: replayRequestedAt?.toISOString() ?? null,
    waiting,
    requestId: requestId ?? null,
    payload: payload ?? null,
  };
}

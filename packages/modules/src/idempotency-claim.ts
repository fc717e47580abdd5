// How a claim ends: with its answer, or let go. Where the database is away in that moment, it is done as soon as it is back, so that
// the key is not held until the lease ends.

import type { Sql } from "@signalbox/db";
import type { Source } from "./ctx.ts";

/** What transaction() marks. */
export type Claim = { id: Buffer; claim: string };

/** Keeps the answer; without one, lets go of a claim that took no effect. Says whether there was such a claim. */
export async function settle(
  { sql }: { sql: Sql },
  { id, claim }: Claim,
  answer: Buffer | undefined,
): Promise<boolean> {
  if (answer) {
    const kept =
      await sql`update idempotency_keys set answer = ${answer} where id = ${id} and claim = ${claim}`;
    return kept.count > 0;
  }
  const [row] = await sql<{ count: number }[]>`
    with gone as (delete from idempotency_keys where id = ${id} and claim = ${claim} and effect_at is null returning 1),
      ended as (
        update idempotency_keys set lease_until = now()
        where id = ${id} and claim = ${claim} and effect_at is not null and not exists (select from gone) returning 1)
    select ((select count(*) from gone) + (select count(*) from ended))::int as count`;
  return row!.count > 0;
}

type Loose = { claim: Claim; answer: Buffer | undefined; looks: number };

const pauseMs = 250;
const awayPauseMs = 1_000;
/** What the database was asked before it stood still may be done after our first word. */
const looks = 8;
/** Beyond it the leases have to do. */
const maxLoose = 5_000;

const endsOf = new WeakMap<Source, Set<Loose>>();

/** Ends a claim as soon as the database answers. It may not be there at all: its own statement may have been lost. */
export function letGo(shared: Source, claim: Claim, answer?: Buffer): void {
  const open = endsOf.get(shared);
  const ends = open ?? new Set();
  if (ends.size >= maxLoose) return;
  ends.add({ claim, answer, looks });
  if (open) return;
  endsOf.set(shared, ends);
  void work(shared, ends);
}

async function work(shared: Source, ends: Set<Loose>): Promise<void> {
  for (let waitMs = pauseMs; ends.size > 0; ) {
    await new Promise<void>((resolve) => void setTimeout(resolve, waitMs).unref());
    waitMs = pauseMs;
    for (const end of ends)
      try {
        end.looks -= 1;
        if ((await settle(shared, end.claim, end.answer)) || end.looks === 0) ends.delete(end);
      } catch (error) {
        if ((error as { code?: string }).code === "CONNECTION_ENDED") return;
        end.looks = looks;
        waitMs = awayPauseMs;
        break;
      }
  }
  endsOf.delete(shared);
}

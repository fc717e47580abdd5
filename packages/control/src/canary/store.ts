// What judges keep in Postgres: slots, decisions with their evidence, how a canary stands, and who judges at this moment.

import type { Sql } from "@signalbox/db";
import type { Confirmed } from "../confirmations.ts";
import { inTime } from "../in-time.ts";
import type { Decision } from "./decide.ts";
import type { Evidence, Verdict } from "./judge.ts";
import { type KeptSlot, type Side, type SideCounts, slotMs } from "./tally.ts";

const patienceMs = 2_000;

export type Standing = Verdict & Decision & { at: number; judge: string };

export type DecisionRow = {
  id: string;
  canaryId: string;
  at: Date;
  act: string;
  step: number;
  verdict: Verdict["verdict"];
  why: string;
  evidence: Evidence;
  /** Null: it was never done, because whoever decided it died first. */
  revision: number | null;
  confirmations: Confirmed | null;
};

export type CanaryStore = ReturnType<typeof createCanaryStore>;

type CourseRow = { endMs: number } & Record<Side, SideCounts>;

const sides = (sql: Sql, side: Side) => sql`json_build_object(
  'n', sum((counts->${side}::text->>'n')::int), 'errors', sum((counts->${side}::text->>'errors')::int),
  'slow95', sum((counts->${side}::text->>'slow95')::int), 'slow99', sum((counts->${side}::text->>'slow99')::int))`;

export function createCanaryStore(sql: Sql) {
  // A JSON value as text: no driver may guess at it.
  const text = (value: unknown) => JSON.stringify(value);
  return {
    /** True: this one judges, for as many seconds. Throws where Postgres does not answer. */
    async lease(name: string, holder: string, seconds: number): Promise<boolean> {
      const rows = await inTime(
        sql`
          insert into leases (name, holder, until) values (${name}, ${holder}, now() + ${seconds} * interval '1 second')
          on conflict (name) do update set holder = excluded.holder, until = excluded.until
            where leases.holder = excluded.holder or leases.until < now()
          returning holder`.execute(),
        patienceMs,
      );
      return rows.length > 0;
    },

    async release(name: string, holder: string): Promise<void> {
      await inTime(sql`delete from leases where name = ${name} and holder = ${holder}`.execute(), patienceMs);
    },

    async slots(canaryId: string): Promise<KeptSlot[]> {
      const rows = await sql<{ counts: KeptSlot }[]>`
        select counts from canary_slots where canary_id = ${canaryId} order by start`;
      return rows.map(({ counts }) => counts);
    },

    /** What was counted on each side over the canary's whole life, in so many spans at most, oldest first. */
    async course(canaryId: string, spans: number): Promise<CourseRow[]> {
      const [life] = await sql<{ first: string | null; last: string | null }[]>`
        select min(start)::text as first, max(start)::text as last from canary_slots where canary_id = ${canaryId}`;
      if (!life?.first || !life.last) return [];
      const [first, last] = [Number(life.first), Number(life.last)];
      const widthMs = Math.max(1, Math.ceil((last - first + slotMs) / slotMs / spans)) * slotMs;
      const rows = await sql<{ start: string; stable: SideCounts; canary: SideCounts }[]>`
        select max(start)::text as start, ${sides(sql, "stable")} as stable, ${sides(sql, "canary")} as canary
        from canary_slots where canary_id = ${canaryId}
        group by (start - ${first}::bigint) / ${widthMs}::bigint order by max(start)`;
      return rows.map(({ start, ...counts }) => ({ endMs: Number(start) + slotMs, ...counts }));
    },

    async keep(canaryId: string, slots: KeptSlot[]): Promise<void> {
      for (const slot of slots)
        await sql`
          insert into canary_slots (canary_id, start, counts)
          values (${canaryId}, ${slot.start}, ${text(slot)}::text::jsonb) on conflict do nothing`;
    },

    /** Slots of canaries that nobody has judged since, at most so many; what they decided stays with its own evidence. */
    async prune(unjudgedSince: Date, inForce: string[], limit: number): Promise<number> {
      const { count } = await sql`
        delete from canary_slots where (canary_id, start) in (
          select canary_id, start from canary_slots join canary_standings using (canary_id)
          where judged_at < ${unjudgedSince} and not (canary_id = any(${inForce}::uuid[]))
          limit ${limit})`;
      return count;
    },

    async stand(canaryId: string, standing: Standing): Promise<void> {
      await sql`
        insert into canary_standings (canary_id, standing, judged_at)
        values (${canaryId}, ${text(standing)}::text::jsonb, ${new Date(standing.at)})
        on conflict (canary_id) do update set standing = excluded.standing, judged_at = excluded.judged_at`;
    },

    async announce(canaryId: string, estimate: unknown): Promise<void> {
      await sql`
        insert into canary_standings (canary_id, estimate) values (${canaryId}, ${text(estimate)}::text::jsonb)
        on conflict (canary_id) do update set estimate = excluded.estimate`;
    },

    async decide(row: Omit<DecisionRow, "confirmations">): Promise<void> {
      await sql`
        insert into canary_decisions (id, canary_id, at, act, step, verdict, why, evidence, revision)
        values (${row.id}, ${row.canaryId}, ${row.at}, ${row.act}, ${row.step}, ${row.verdict}, ${row.why},
          ${text(row.evidence)}::text::jsonb, ${row.revision})
        on conflict (id) do update set revision = excluded.revision`;
    },

    async confirm(id: string, confirmations: Confirmed): Promise<void> {
      await sql`update canary_decisions set confirmations = ${text(confirmations)}::text::jsonb where id = ${id}`;
    },

    async readStandings(
      ids: string[],
    ): Promise<Map<string, { estimate: unknown; standing: Standing | null }>> {
      const rows = await sql<{ canary_id: string; estimate: unknown; standing: Standing | null }[]>`
        select canary_id, estimate, standing from canary_standings where canary_id = any(${ids}::uuid[])`;
      return new Map(rows.map(({ canary_id, estimate, standing }) => [canary_id, { estimate, standing }]));
    },

    /** Oldest first. */
    async decisions(canaryId: string): Promise<DecisionRow[]> {
      const rows = await sql<
        (Omit<DecisionRow, "canaryId" | "revision"> & { revision: string | null; step: string })[]
      >`
        select id, at, act, step, verdict, why, evidence, revision, confirmations
        from canary_decisions where canary_id = ${canaryId} order by at, id`;
      return rows.map((row) => ({
        ...row,
        canaryId,
        step: Number(row.step),
        revision: row.revision === null ? null : Number(row.revision),
      }));
    },
  };
}

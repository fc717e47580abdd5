// The append-only, hash-chained log of operator acts in Postgres. One transaction an act, one act at a time.

import { AppError } from "@signalbox/core/errors";
import { newId } from "@signalbox/core/ids";
import type { Sql } from "@signalbox/db";
import { locks } from "@signalbox/db/locks";
import { createVerifier, emptyHead, type Head, hashEvent, type Verdict } from "./chain.ts";
import { applyEvent, type ControlEvent, type Document, emptyDocument } from "./fold.ts";
import { type PendingAct, settle } from "./pending.ts";
import type { ControlActor } from "./settings.ts";

/** A document and the event up to which it was folded. */
export type Folded = { head: Head; document: Document; at: number };

const nothing: Folded = { head: emptyHead, document: emptyDocument, at: 0 };

export type Act = {
  /** For an act that may have been appended already: the same id is taken once. */
  id?: string;
  /** When it was decided, where that was before now. */
  at?: Date;
  actor: ControlActor;
  kind: string;
  key: string;
  reason: string;
  incident?: string | null;
  requestId: string;
  expiresAt?: Date | null;
  /** The new value, from what the log says at this very moment; undefined: nothing to do after all. It may name the act anew. */
  decide(
    document: Document,
    nowMs: number,
  ): { before: unknown; after: unknown; kind?: string; reason?: string } | undefined;
};

export type ControlLog = {
  append(act: Act): Promise<{ event: ControlEvent; folded: Folded } | undefined>;
  /** Brings in what was taken while Postgres was away; what is there already is left alone. */
  replay(acts: PendingAct[]): Promise<void>;
  head(): Promise<Head>;
  /** Everything folded up to the newest event; reads only what is new since the last time. */
  fold(): Promise<Folded>;
  foldAt(at: Date): Promise<Folded>;
  /** Newest first, below `before`. */
  read(query: {
    before?: number;
    limit?: number;
    key?: string;
    /** By id or name. */
    actor?: string;
    incident?: string;
    /** Exactly, or what stands before the first dot: `switch` finds `switch.set`. */
    kind?: string;
    until?: Date;
  }): Promise<ControlEvent[]>;
  verify(known?: Head[]): Promise<Verdict>;
};

type Row = {
  revision: string | number;
  id: string;
  at: Date;
  actor: ControlActor;
  kind: string;
  key: string;
  before: unknown;
  after: unknown;
  reason: string;
  incident: string | null;
  expires_at: Date | null;
  request_id: string;
  previous_hash: string;
  hash: string;
};

const toEvent = (row: Row): ControlEvent => ({
  revision: Number(row.revision),
  id: row.id,
  at: row.at,
  actor: row.actor,
  kind: row.kind,
  key: row.key,
  before: row.before,
  after: row.after,
  reason: row.reason,
  incident: row.incident,
  expiresAt: row.expires_at,
  requestId: row.request_id,
  previousHash: row.previous_hash,
  hash: row.hash,
});

const withEvent = ({ document }: Folded, event: ControlEvent): Folded => ({
  head: { revision: event.revision, hash: event.hash },
  document: applyEvent(document, event),
  at: event.at.getTime(),
});

const batch = 1_000;

export function createControlLog(sql: Sql, now: () => number = Date.now): ControlLog {
  let cached = nothing;

  async function foldNew(db: Sql): Promise<Folded> {
    let folded = cached;
    // A database put back from a back-up may be behind what this process knows, or tell another story.
    const { revision, hash } = folded.head;
    const [same] =
      revision === 0
        ? [true]
        : await db`select 1 from control_events where revision = ${revision} and hash = ${hash}`;
    if (!same) folded = nothing;
    for (;;) {
      const rows = await db<Row[]>`
        select * from control_events where revision > ${folded.head.revision} order by revision limit ${batch}`;
      folded = rows.map(toEvent).reduce(withEvent, folded);
      if (rows.length < batch) return folded;
    }
  }

  async function* all(): AsyncGenerator<ControlEvent[]> {
    for (let after = 0; ; ) {
      const rows = await sql<
        Row[]
      >`select * from control_events where revision > ${after} order by revision limit ${batch}`;
      if (rows.length > 0) yield rows.map(toEvent);
      if (rows.length < batch) return;
      after = Number(rows.at(-1)!.revision);
    }
  }

  async function append(act: Act): ReturnType<ControlLog["append"]> {
    const done = await sql.begin(async (transaction) => {
      // A transaction has the same tagged-template form as the client; the types only differ in what opens one.
      const db = transaction as unknown as Sql;
      await db`select pg_advisory_xact_lock(${locks.controlLog})`;
      const folded = await foldNew(db);
      if (act.id !== undefined) {
        const [known] = await db<Row[]>`select * from control_events where id = ${act.id}`;
        if (known) return { event: toEvent(known), folded };
      }
      // Clocks of two machines differ; the log's own time never runs backwards.
      const at = new Date(Math.max((act.at ?? new Date(now())).getTime(), folded.at));
      const decided = act.decide(folded.document, at.getTime());
      if (decided === undefined) return undefined;
      const unhashed = {
        revision: folded.head.revision + 1,
        id: act.id ?? newId(),
        at,
        actor: act.actor,
        kind: decided.kind ?? act.kind,
        key: act.key,
        before: plain(decided.before),
        after: plain(decided.after),
        reason: decided.reason ?? act.reason,
        incident: act.incident ?? null,
        expiresAt: act.expiresAt ?? null,
        requestId: act.requestId,
        previousHash: folded.head.hash,
      };
      const event: ControlEvent = { ...unhashed, hash: hashEvent(unhashed) };
      const json = (value: unknown) => (value === null ? null : db.json(value as Parameters<Sql["json"]>[0]));
      await db`
          insert into control_events (revision, id, at, actor, kind, key, before, after, reason, incident, expires_at,
            request_id, previous_hash, hash)
          values (${event.revision}, ${event.id}, ${event.at}, ${json(event.actor)}, ${event.kind}, ${event.key}, ${json(event.before)},
            ${json(event.after)}, ${event.reason}, ${event.incident}, ${event.expiresAt}, ${event.requestId}, ${event.previousHash}, ${event.hash})`;
      return { event, folded: withEvent(folded, event) };
    });
    // Only what is committed may be built upon.
    if (done && done.folded.head.revision > cached.head.revision) cached = done.folded;
    return done;
  }

  async function replay(acts: PendingAct[]): Promise<void> {
    const own = new Set<number>();
    for (const act of acts) {
      const { id, at, actor, kind, key, reason, incident, requestId, expiresAt } = act;
      const done = await append({
        ...{ id, at, actor, kind, key, reason, incident, requestId, expiresAt },
        decide: (document) => settle(document, act, own),
      });
      if (done) own.add(done.event.revision);
    }
  }

  return {
    append,
    replay,

    async head() {
      const [row] = await sql<{ revision: string; hash: string }[]>`
        select revision, hash from control_events order by revision desc limit 1`;
      return row ? { revision: Number(row.revision), hash: row.hash } : emptyHead;
    },

    async fold() {
      cached = await foldNew(sql);
      return cached;
    },

    async foldAt(at) {
      let folded = nothing;
      for await (const events of all()) {
        for (const event of events) {
          if (event.at > at) return folded;
          folded = withEvent(folded, event);
        }
      }
      return folded;
    },

    async read({ before, limit, key, actor, incident, kind, until }) {
      const rows = await sql<Row[]>`
        select * from control_events
        where ${before === undefined ? sql`true` : sql`revision < ${before}`}
          and ${key === undefined ? sql`true` : sql`key = ${key}`}
          and ${actor === undefined ? sql`true` : sql`(actor->>'name' = ${actor} or actor->>'id' = ${actor})`}
          and ${incident === undefined ? sql`true` : sql`incident = ${incident}`}
          and ${kind === undefined ? sql`true` : sql`(kind = ${kind} or split_part(kind, '.', 1) = ${kind})`}
          and ${until === undefined ? sql`true` : sql`at <= ${until}`}
        order by revision desc ${limit === undefined ? sql`` : sql`limit ${limit}`}`;
      return rows.map(toEvent);
    },

    async verify(known = []) {
      const verifier = createVerifier(known);
      for await (const events of all()) if (!events.every((event) => verifier.check(event))) break;
      return verifier.verdict();
    },
  };
}

/** As it will be read back: JSON has no undefined, and the hash must not depend on the difference. */
export const plain = (value: unknown): unknown =>
  value === undefined ? null : JSON.parse(JSON.stringify(value));

export const unknownKey = (key: string) =>
  new AppError("not_found", `nothing is called ${key}; the list of keys is in GET /operator/v1/switches`);

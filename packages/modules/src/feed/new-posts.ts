// New posts of one moment are written in one statement, so that a crowd of writers costs the database little more than one writer.
// Each caller gets his own outcome: whose claim another run took over is refused alone, and where the database refuses the whole,
// each is tried by itself.

import { createGather } from "@signalbox/core/gather";
import { currentDeadline, type Deadline } from "@signalbox/core/resilience/deadline";
import { isRefusedData } from "@signalbox/db";
import { appendFrom, type OutboxRow } from "@signalbox/db/outbox";
import type { Ctx, Source } from "../ctx.ts";
import { claimLost, markEffectsOf } from "../idempotency.ts";
import type { Entities } from "./entities.ts";

export type NewPost = {
  id: string;
  userId: string;
  text: string;
  visibility: "public" | "followers";
  named: Entities;
  /** What tells of it. */
  told: OutboxRow;
};

type Asked = { post: NewPost; claim: Ctx["claim"]; deadline: Deadline | undefined };
type Write = (asked: Asked) => Promise<Date | Error>;

/** Answers since when it is there. */
export async function writePost(ctx: Ctx, post: NewPost): Promise<Date> {
  let write = writers.get(ctx.shared);
  if (!write) {
    write = createWriter(ctx);
    writers.set(ctx.shared, write);
  }
  const deadline = currentDeadline();
  deadline?.throwIfBarred();
  const outcome = await write({ post, claim: ctx.claim, deadline });
  if (outcome instanceof Error) throw outcome;
  return outcome;
}

const writers = new WeakMap<Source, Write>();

function createWriter({ shared: { sql }, instance, dependencies }: Ctx): Write {
  async function outcomesOf(asked: Asked[]): Promise<(Date | Error)[]> {
    try {
      const wanted = asked.filter(({ deadline }) => !deadline?.ended());
      const written = wanted.length > 0 ? await write(wanted) : new Map<string, Date>();
      return asked.map(({ post, deadline }) => written.get(post.id) ?? deadline?.ended() ?? claimLost());
    } catch (error) {
      // Nothing of it is there, and one of them is the cause.
      if (asked.length === 1 || !isRefusedData(error)) return asked.map(() => error as Error);
      const outcomes: (Date | Error)[] = [];
      for (const one of asked) outcomes.push(...(await outcomesOf([one])));
      return outcomes;
    }
  }

  async function write(asked: Asked[]): Promise<Map<string, Date>> {
    const rows = asked.map(({ post, claim }, n) => rowOf(post, claim, n));
    const isClaimed = asked.some(({ claim }) => claim);
    const isNaming = asked.some(({ post }) => post.named.mentions.length > 0);
    const more = asked.length > 1 ? ` +${asked.length - 1}` : "";
    const written = await sql<{ id: string; createdAt: Date }[]>`
      with name as materialized (
        select set_config('application_name', ${`signalbox ${instance.name} ${asked[0]!.post.told.requestId}${more}`}, true)
      ), asked as materialized (
        select asked.* from name, jsonb_to_recordset(${sql.json(rows)}) as asked (
          n int, id uuid, user_id uuid, text text, visibility text, hashtags text[], links text[], mentions jsonb,
          event_id uuid, event_key uuid, topic text, version smallint, payload jsonb, request_id text, traceparent text,
          claim_id text, claim uuid)
      ), ${
        isClaimed
          ? sql`
        marked as (${markEffectsOf(sql, "asked")}), new as materialized (
          select * from asked where claim is null or claim in (select claim from marked)
        ),`
          : sql`new as (select * from asked),`
      } ${
        isNaming
          ? sql`
        naming as (
          insert into mentions (user_id, post_id, handle)
          select mention.id, new.id, mention.handle
          from new, jsonb_to_recordset(new.mentions) as mention (id uuid, handle text)
        ),`
          : sql``
      } told as (${appendFrom(sql, "new")})
      insert into posts (user_id, id, text, visibility, hashtags, links)
      select user_id, id, text, visibility, hashtags, links from new
      returning id, created_at as "createdAt"`;
    return new Map(written.map(({ id, createdAt }) => [id, createdAt]));
  }

  const { breaker } = dependencies.open({ name: "postgres" });
  return createGather(outcomesOf, { mostUnderWay: 2, isDoubtful: () => breaker.state !== "closed" });
}

function rowOf({ id, userId, text, visibility, named, told }: NewPost, claim: Ctx["claim"], n: number) {
  const { hashtags, links, mentions } = named;
  return {
    n,
    id,
    user_id: userId,
    text,
    visibility,
    ...(hashtags.length > 0 ? { hashtags } : {}),
    ...(links.length > 0 ? { links } : {}),
    ...(mentions.length > 0 ? { mentions } : {}),
    event_id: told.id,
    event_key: told.key,
    topic: told.topic,
    version: told.version,
    payload: told.payload,
    request_id: told.requestId,
    traceparent: told.traceparent,
    ...(claim ? { claim_id: claim.id.toString("hex"), claim: claim.claim } : {}),
  } as never;
}

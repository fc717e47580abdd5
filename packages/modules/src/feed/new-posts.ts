// New posts of one moment are written in one statement, so that a crowd of writers costs the database little more than one writer.
// Each caller gets his own outcome: whose claim another run took over is refused alone, and where the database refuses the whole,
// each is tried by itself.

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

type Asked = {
  post: NewPost;
  claim: Ctx["claim"];
  deadline: Deadline | undefined;
  resolve(createdAt: Date): void;
  reject(error: unknown): void;
};

const mostAtOnce = 100;
/** While these are under way, the next one gathers. */
const mostUnderWay = 2;

/** Answers since when it is there. */
export function writePost(ctx: Ctx, post: NewPost): Promise<Date> {
  let writer = writers.get(ctx.shared);
  if (!writer) {
    writer = createWriter(ctx.shared, ctx.instance.name);
    writers.set(ctx.shared, writer);
  }
  return writer(post, ctx.claim);
}

const writers = new WeakMap<Source, (post: NewPost, claim: Ctx["claim"]) => Promise<Date>>();

function createWriter({ sql }: Source, instance: string) {
  let gathered: Asked[] = [];
  let underWay = 0;
  let isDue = false;

  function flush(): void {
    isDue = false;
    while (gathered.length > 0 && underWay < mostUnderWay) {
      const asked = gathered.slice(0, mostAtOnce);
      gathered = gathered.slice(mostAtOnce);
      underWay += 1;
      void writeAll(asked.filter(isStillWanted)).finally(() => {
        underWay -= 1;
        flush();
      });
    }
  }

  async function writeAll(asked: Asked[]): Promise<void> {
    if (asked.length === 0) return;
    try {
      const written = await write(asked);
      for (const { post, resolve, reject } of asked) {
        const createdAt = written.get(post.id);
        if (createdAt) resolve(createdAt);
        else reject(claimLost());
      }
    } catch (error) {
      // Nothing of it is there, and one of them is the cause.
      if (asked.length > 1 && isRefusedData(error)) for (const one of asked) await writeAll([one]);
      else for (const { reject } of asked) reject(error);
    }
  }

  async function write(asked: Asked[]): Promise<Map<string, Date>> {
    const rows = asked.map(({ post, claim }, n) => rowOf(post, claim, n));
    const isClaimed = asked.some(({ claim }) => claim);
    const isNaming = asked.some(({ post }) => post.named.mentions.length > 0);
    const more = asked.length > 1 ? ` +${asked.length - 1}` : "";
    const written = await sql<{ id: string; createdAt: Date }[]>`
      with name as materialized (
        select set_config('application_name', ${`signalbox ${instance} ${asked[0]!.post.told.requestId}${more}`}, true)
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

  return (post: NewPost, claim: Ctx["claim"]): Promise<Date> =>
    new Promise((resolve, reject) => {
      gathered.push({ post, claim, deadline: currentDeadline(), resolve, reject });
      if (isDue) return;
      isDue = true;
      // Whoever comes in the same turn goes along.
      setImmediate(flush);
    });
}

function isStillWanted({ deadline, reject }: Asked): boolean {
  const why = deadline?.ended();
  if (why) reject(why);
  return why === undefined;
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

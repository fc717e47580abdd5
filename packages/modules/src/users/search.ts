// Finding people by the beginning of their handle or name, and by likeness where it was not quite remembered.

import type { z } from "zod";
import type { AsOperator, AsUser, Ctx } from "../ctx.ts";
import { optional } from "../optional.ts";
import { fromReplica } from "../replicas/index.ts";
import { presentPerson } from "./profile.ts";
import type { PersonList, SearchPeople } from "./schema.ts";

type Row = { id: string; handle: string; displayName: string; avatar: string | null };

/** Below that a likeness says nothing, and would touch a good part of all people. */
const minForLikeness = 3;

export async function searchPeople(
  ctx: AsUser,
  { q, limit }: z.infer<typeof SearchPeople>,
): Promise<z.infer<typeof PersonList>> {
  const wanted = q.replace(/^@/, "").normalize("NFC").toLowerCase();
  const left: string[] = [];
  const rows =
    [...wanted].length < minForLikeness
      ? await byStart(ctx, wanted, limit)
      : await optional(ctx, "users.people.ranking", left, {
          read: () => byLikeness(ctx, wanted, limit),
          without: () => byStart(ctx, wanted, limit),
        });
  // Ranked, so without a next page: who is not among the first is found by a better question.
  return { items: rows.map(presentPerson), nextCursor: null, ...(left.length > 0 ? { degraded: left } : {}) };
}

const startPattern = (text: string) => `${text.replace(/[\\%_]/g, "\\$&")}%`;

/** Neither of two people of whom one blocked the other finds the other one. */
const visible = ({ sql, actor }: AsUser) => sql`
  not exists (
    select 1 from blocks
    where (blocks.user_id = users.id and blocks.target_id = ${actor.id})
      or (blocks.user_id = ${actor.id} and blocks.target_id = users.id)
  )`;

const byStart = (ctx: AsUser, wanted: string, limit: number) =>
  fromReplica(
    ctx,
    "users.search",
    async (ctx) => ctx.sql<Row[]>`
  select id, handle, display_name as "displayName", avatar from users
  where handle like ${startPattern(wanted)} and ${visible(ctx)}
  order by handle using ~<~ limit ${limit}`,
  );

const byLikeness = (ctx: AsUser, wanted: string, limit: number) =>
  fromReplica(
    ctx,
    "users.search",
    async (ctx) => ctx.sql<Row[]>`
  select id, handle, display_name as "displayName", avatar from users
  where (
    handle like ${startPattern(wanted)} or lower(display_name) like ${startPattern(wanted)}
    or handle % ${wanted} or lower(display_name) % ${wanted}
  ) and ${visible(ctx)}
  order by
    handle = ${wanted} desc,
    handle like ${startPattern(wanted)} desc,
    greatest(similarity(handle, ${wanted}), similarity(lower(display_name), ${wanted})) desc,
    id
  limit ${limit}`,
  );

/** For operators, whom nobody can block: who has a handle or name that begins so, in the order of handles. */
export async function userIdsByStart(ctx: AsOperator, text: string, limit: number): Promise<string[]> {
  const start = startPattern(text.replace(/^@/, "").normalize("NFC").toLowerCase());
  const rows = await ctx.sql<{ id: string }[]>`
    select id from users where handle like ${start} or lower(display_name) like ${start} order by handle limit ${limit}`;
  return rows.map(({ id }) => id);
}

/** Everyone, in pages by id. */
export async function userIdsAfter(
  { sql }: Pick<Ctx, "sql">,
  after: string | null,
  size: number,
): Promise<string[]> {
  const rows = await sql<{ id: string }[]>`
    select id from users ${after ? sql`where id > ${after}` : sql``} order by id limit ${size}`;
  return rows.map(({ id }) => id);
}

// Reports as operators decide about them: all of one post or person together, with what was reported and what was decided before.

import { AppError } from "@signalbox/core/errors";
import { tables } from "@signalbox/db";
import { and, desc, eq, inArray, isNull, sql } from "@signalbox/db/query";
import type { z } from "zod";
import { byOf, readAccountStates, suspendAccount } from "../auth/index.ts";
import type { AsOperator } from "../ctx.ts";
import { postsByIds, removePost } from "../feed/index.ts";
import { findAccount, readPeople } from "../users/index.ts";
import type { CaseItem, CaseQuery, Decide, Decided } from "./schema.ts";

const { reports } = tables;

/** Of one post or person; the rest is counted. */
const shownReports = 20;
const defaultCases = 100;

type Subject = { kind: "user" | "post"; id: string };
type Group = Subject & { count: number; reporters: number };
const nameOf = ({ kind, id }: Subject) => `${kind} ${id}`;

export async function listCases(ctx: AsOperator, { state, limit = defaultCases }: z.infer<typeof CaseQuery>) {
  const groups =
    state === "open"
      ? await ctx.sql<Group[]>`
          select subject_kind as kind, subject_id as id, count(*)::int as count,
            count(distinct user_id)::int as reporters
          from reports where resolved_at is null group by 1, 2 order by min(created_at), 2 limit ${limit}`
      : await ctx.sql<Group[]>`
          select subject_kind as kind, subject_id as id, count(*)::int as count,
            count(distinct user_id)::int as reporters
          from reports where resolved_at is not null group by 1, 2 order by max(resolved_at) desc limit ${limit}`;
  return { items: await present(ctx, [...groups], state), nextCursor: null };
}

async function present(
  ctx: AsOperator,
  groups: Group[],
  state: "open" | "decided",
): Promise<z.infer<typeof CaseItem>[]> {
  if (groups.length === 0) return [];
  const idsOf = (kind: Subject["kind"]) => groups.filter((it) => it.kind === kind).map(({ id }) => id);
  const [posts, rows] = await Promise.all([
    postsByIds(ctx, idsOf("post")),
    ctx.db
      .select()
      .from(reports)
      .where(
        inArray(
          reports.subjectId,
          groups.map(({ id }) => id),
        ),
      )
      .orderBy(desc(reports.id)),
  ]);
  const postById = new Map(posts.map((post) => [post.id, post]));
  const ownerOf = ({ kind, id }: Subject) => (kind === "user" ? id : postById.get(id)?.userId);
  const owners = [...new Set(groups.map(ownerOf).filter((id) => id !== undefined))];
  const [states, people, past] = await Promise.all([
    readAccountStates(ctx, owners),
    readPeople(ctx, [...new Set([...owners, ...rows.map(({ userId }) => userId)])]),
    upheldBefore(ctx, owners),
  ]);
  return groups.map((group): z.infer<typeof CaseItem> => {
    const ownerId = ownerOf(group);
    const post = postById.get(group.id);
    const account = states.find(({ id }) => id === ownerId);
    const all = rows.filter((row) => row.subjectKind === group.kind && row.subjectId === group.id);
    const decided = all.filter((row) => row.resolvedAt !== null);
    return {
      subject: { kind: group.kind, id: group.id },
      reports: group.count,
      reporters: group.reporters,
      post: post
        ? {
            text: post.text,
            createdAt: post.createdAt.toISOString(),
            editedAt: post.editedAt?.toISOString() ?? null,
          }
        : null,
      owner: account
        ? {
            ...account,
            handle: people.get(account.id)?.handle ?? null,
            displayName: people.get(account.id)?.displayName ?? null,
            upheldBefore: past.get(account.id) ?? 0,
          }
        : null,
      said: (state === "open" ? all.filter((row) => row.resolvedAt === null) : all)
        .slice(0, shownReports)
        .map((row) => ({
          id: row.id,
          by: people.get(row.userId)?.handle ?? null,
          reason: row.reason,
          at: row.createdAt.toISOString(),
        })),
      // All that one act decided are one decision.
      decisions: [...new Map(decided.map((row) => [row.resolvedAt?.getTime() ?? 0, row])).values()]
        .map((row) => ({
          resolution: row.resolution ?? "dismissed",
          reason: row.resolvedFor ?? "",
          by: row.resolvedBy ?? "",
          at: (row.resolvedAt ?? row.createdAt).toISOString(),
        }))
        .toSorted((a, b) => (a.at < b.at ? 1 : -1)),
    };
  });
}

/** How often something of a person that is still there, or the person, was reported rightly. */
async function upheldBefore(ctx: AsOperator, userIds: string[]): Promise<Map<string, number>> {
  if (userIds.length === 0) return new Map();
  const rows = await ctx.sql<{ id: string; count: number }[]>`
    select owner as id, count(distinct (subject_id, resolved_at))::int as count from (
      select reports.subject_id, reports.resolved_at, coalesce(posts.user_id, reports.subject_id) as owner
      from reports left join posts on reports.subject_kind = 'post' and posts.id = reports.subject_id
      where reports.resolution = 'upheld'
    ) as upheld
    where owner = any(${userIds}::uuid[]) group by owner`;
  return new Map(rows.map(({ id, count }) => [id, count]));
}

/** Of two who decide at once, the first does; the other learns of it and nothing more happens. */
export async function decideCase(
  ctx: AsOperator,
  { subject, removePost: remove, suspend, reason }: z.infer<typeof Decide>,
): Promise<z.infer<typeof Decided>> {
  const [post] = subject.kind === "post" ? await postsByIds(ctx, [subject.id]) : [];
  const ownerId = subject.kind === "user" ? subject.id : post?.userId;
  if (suspend && (!ownerId || !(await findAccount(ctx, { id: ownerId }))))
    throw new AppError(
      "conflict",
      "there is nobody to suspend: the account, or the post that led to it, is gone",
    );
  const resolution = remove || suspend ? "upheld" : "dismissed";
  const taken = await ctx.db
    .update(reports)
    .set({ resolvedAt: sql`now()`, resolution, resolvedFor: reason, resolvedBy: byOf(ctx) })
    .where(
      and(
        eq(reports.subjectKind, subject.kind),
        eq(reports.subjectId, subject.id),
        isNull(reports.resolvedAt),
      ),
    )
    .returning({ id: reports.id });
  if (taken.length === 0)
    throw new AppError("conflict", `no open report is left on ${nameOf(subject)}: someone decided before`);
  try {
    if (remove && post) await removePost(ctx, post);
    if (suspend && ownerId) await suspendAccount(ctx, ownerId, reason);
  } catch (error) {
    // What was not done must not read as decided.
    await ctx.db
      .update(reports)
      .set({ resolvedAt: null, resolution: null, resolvedFor: null, resolvedBy: null })
      .where(
        inArray(
          reports.id,
          taken.map(({ id }) => id),
        ),
      );
    throw error;
  }
  return { resolution, reports: taken.length, ownerId: ownerId ?? null };
}

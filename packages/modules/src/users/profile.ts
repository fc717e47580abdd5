// Profiles and the handles that lead to them.

import { AppError } from "@signalbox/core/errors";
import { newId } from "@signalbox/core/ids";
import { tables } from "@signalbox/db";
import { eq, inArray } from "@signalbox/db/query";
import type { z } from "zod";
import { type AsUser, type Ctx, type InTransaction, one } from "../ctx.ts";
import type { ByHandle, Person, Profile } from "./schema.ts";

const { handles, users } = tables;
type Row = typeof users.$inferSelect;

const present = (row: Row): z.infer<typeof Profile> => ({
  ...presentPerson(row),
  bio: row.bio,
  createdAt: row.createdAt.toISOString(),
});

export const presentPerson = (row: Pick<Row, "id" | "handle" | "displayName">): Person => ({
  id: row.id,
  handle: row.handle,
  displayName: row.displayName,
  avatar: null,
});

/** For auth, in the transaction of a registration; a taken handle breaks the unique key. */
export async function createProfile(ctx: InTransaction, handle: string): Promise<Row> {
  const id = newId();
  await ctx.db.insert(handles).values({ handle, userId: id });
  return one(await ctx.db.insert(users).values({ id, handle, displayName: handle }).returning());
}

export async function findAccount(
  ctx: Ctx,
  by: { id: string } | { handle: string },
): Promise<Row | undefined> {
  if ("id" in by) return (await ctx.db.select().from(users).where(eq(users.id, by.id)))[0];
  const [found] = await ctx.db
    .select({ user: users })
    .from(handles)
    .innerJoin(users, eq(users.id, handles.userId))
    .where(eq(handles.handle, by.handle));
  return found?.user;
}

export async function readProfile(
  ctx: Ctx,
  { handle }: z.infer<typeof ByHandle>,
): Promise<z.infer<typeof Profile>> {
  return present(await knownUser(ctx, handle));
}

export async function readOwnProfile(ctx: AsUser): Promise<z.infer<typeof Profile>> {
  const row = await findAccount(ctx, { id: ctx.actor.id });
  if (!row) throw new AppError("unauthorized", "this account no longer exists");
  return present(row);
}

/** The user behind a handle in a path, or the refusal that a caller can read. */
export async function knownUser(ctx: Ctx, handle: string): Promise<Row> {
  const row = await findAccount(ctx, { handle });
  if (!row) throw new AppError("not_found", `there is no user @${handle}`);
  return row;
}

/** For modules that show people beside their own things. */
export async function readPeople(ctx: Ctx, ids: string[]): Promise<Map<string, Person>> {
  if (ids.length === 0) return new Map();
  const rows = await ctx.db
    .select({ id: users.id, handle: users.handle, displayName: users.displayName })
    .from(users)
    .where(inArray(users.id, ids));
  return new Map(rows.map((row) => [row.id, presentPerson(row)]));
}

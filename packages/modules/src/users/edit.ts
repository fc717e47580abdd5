// Changing one's own profile.

import { AppError } from "@signalbox/core/errors";
import { tables } from "@signalbox/db";
import { eq, sql } from "@signalbox/db/query";
import type { z } from "zod";
import { type AsUser, emit, type InTransaction, one, transaction } from "../ctx.ts";
import { profiles, type StoredProfile, toStored } from "./cached.ts";
import { userUpdated } from "./events.ts";
import { changeHandle } from "./handles.ts";
import { presentOwn } from "./profile.ts";
import { profileTag, requireProfile } from "./profile-version.ts";
import { requireServed } from "./region.ts";
import type { OwnProfile, UpdateProfile } from "./schema.ts";

const { userCounts, users } = tables;
type Row = typeof users.$inferSelect;

export async function updateProfile(ctx: AsUser, input: z.infer<typeof UpdateProfile>): Promise<OwnProfile> {
  const userId = ctx.actor.id;
  const profile = await ctx.cache
    .entity(profiles)
    .write(userId, () => transaction(ctx, (ctx) => change(ctx, userId, input)));
  ctx.answer.headers.ETag = profileTag(profile);
  return presentOwn(profile);
}

async function change(
  ctx: InTransaction<AsUser>,
  userId: string,
  input: z.infer<typeof UpdateProfile>,
): Promise<StoredProfile> {
  const before = one(
    await ctx.db.select().from(users).where(eq(users.id, userId)).for("update"),
    () => new AppError("unauthorized", "this account no longer exists"),
  );
  requireProfile(ctx.ifMatch, before);

  const news = Object.entries(input).filter(
    ([field, value]) => value !== undefined && !same(before[field as keyof Row], value),
  );
  // Writing down what is there already is no new version.
  if (news.length === 0) return withCounts(ctx, before);

  const changed = news.map(([field]) => field);
  if (changed.includes("region")) requireServed(ctx, input.region ?? null);
  const handles = changed.includes("handle") ? [before.handle, input.handle!] : [];
  if (handles.length > 0) await changeHandle(ctx, { userId, from: before.handle, to: input.handle! });
  const row = one(
    await ctx.db
      .update(users)
      .set({ ...Object.fromEntries(news), version: sql`${users.version} + 1` })
      .where(eq(users.id, userId))
      .returning(),
  );
  await emit(ctx, userUpdated, { userId, version: row.version, changed, handles });
  return withCounts(ctx, row);
}

const same = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b);

async function withCounts(ctx: InTransaction, row: Row): Promise<StoredProfile> {
  const [counts] = await ctx.db
    .select({ followers: userCounts.followers, following: userCounts.following })
    .from(userCounts)
    .where(eq(userCounts.userId, row.id));
  return toStored({ ...row, followers: counts?.followers ?? 0, following: counts?.following ?? 0 });
}

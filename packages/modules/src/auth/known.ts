// Who signs in by what he typed: the account behind a login, and whether the password is its own.

import { AppError } from "@signalbox/core/errors";
import type { tables } from "@signalbox/db";
import type { Ctx } from "../ctx.ts";
import { type Account, accountBy } from "../users/index.ts";
import { note } from "./activity.ts";
import { findByEmail } from "./email.ts";
import { verifyPassword } from "./passwords.ts";
import { beginAttempt } from "./throttle.ts";

/** The attempt still stands: whoever goes on says whether it failed. */
export async function knownByPassword(ctx: Ctx, input: { login: string; password: string }) {
  // Counted by what was typed: one count for a handle and its address would tell that they belong together.
  const attempt = await beginAttempt(ctx, `login:${input.login.toLowerCase()}`);
  const found = await attempt.during(findCredentials(ctx, input.login));
  // An unknown account costs the same hash, so that the time tells nothing either.
  const right = await attempt.during(verifyPassword(ctx.passwordCost, found?.passwordHash, input.password));
  if (!found || !right) {
    const { last } = await attempt.failed();
    // Not waited for: only a known account has anyone to tell.
    if (last && found)
      note(ctx, found.user.id, "sign_in.failed", { times: "too often in a quarter of an hour" }).catch(
        (error) => ctx.log.warn({ error }, "failed sign-ins were not noted"),
      );
    throw new AppError("unauthorized", "this login and password do not belong together");
  }
  if (found.suspendedAt) {
    attempt.forgive();
    throw new AppError(
      "forbidden",
      `this account is suspended: ${found.suspendedFor ?? "no reason was given"}`,
    );
  }
  return { attempt, found };
}

/** As many questions for an unknown login as for a known one. */
const nobody = "00000000-0000-7000-8000-000000000000";

type Credentials = Pick<
  typeof tables.credentials.$inferSelect,
  "passwordHash" | "role" | "suspendedAt" | "suspendedFor"
> & {
  hasSecondFactor: boolean;
};
type Kept = Account & Credentials & { masterVersion: string | null; wrapped: Buffer | null };

async function findCredentials(ctx: Ctx, login: string) {
  const account = accountBy(
    ctx,
    login.includes("@") ? { id: (await findByEmail(ctx, login)) ?? nobody } : { handle: login.toLowerCase() },
  );
  // In one question, because every sign-in pays for it.
  const [row] = await ctx.sql<Kept[]>`
    select account.*, password_hash as "passwordHash", role, suspended_at as "suspendedAt", suspended_for as "suspendedFor",
      exists (select from second_factors where second_factors.user_id = account.id and confirmed_at is not null) as "hasSecondFactor",
      master_version as "masterVersion", wrapped
    from (${account}) as account join credentials on credentials.user_id = account.id
      left join user_keys on user_keys.user_id = account.id`;
  if (!row) return undefined;
  const { id, handle, displayName, masterVersion, wrapped, ...rest } = row;
  return {
    ...rest,
    user: { id, handle, displayName },
    key: masterVersion && wrapped ? { masterVersion, wrapped } : undefined,
  };
}

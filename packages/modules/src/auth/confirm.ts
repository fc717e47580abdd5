// Is whoever holds this session still its owner? Asked again before what a stranger could do with an unlocked device.

import { AppError } from "@signalbox/core/errors";
import { tables } from "@signalbox/db";
import { eq } from "@signalbox/db/query";
import type { Ctx } from "../ctx.ts";
import { verifyPassword } from "./passwords.ts";
import { beginAttempt } from "./throttle.ts";

const { credentials } = tables;

/** Whoever holds a session has yet to show that he is its owner, before what protects the account is changed. */
export async function confirmPassword(ctx: Ctx, userId: string, password: string): Promise<void> {
  const attempt = await beginAttempt(ctx, `account:${userId}`);
  const [row] = await attempt.during(
    ctx.db
      .select({ passwordHash: credentials.passwordHash })
      .from(credentials)
      .where(eq(credentials.userId, userId))
      .execute(),
  );
  if (!(await attempt.during(verifyPassword(ctx.passwordCost, row?.passwordHash, password)))) {
    await attempt.failed();
    throw new AppError("forbidden", "this is not the password of this account");
  }
  attempt.forgive();
}

// The second factor: codes by time from an app, and recovery codes for whoever loses it. Each code is taken once.

import { createHash, randomBytes } from "node:crypto";
import { AppError } from "@signalbox/core/errors";
import { tables } from "@signalbox/db";
import { and, eq, isNull, lt, sql } from "@signalbox/db/query";
import type { z } from "zod";
import { type AsUser, type Ctx, emit, type InTransaction, transaction } from "../ctx.ts";
import { findAccount } from "../users/index.ts";
import { note } from "./activity.ts";
import { confirmPassword } from "./confirm.ts";
import { credentialsChanged } from "./events.ts";
import type { ByCode, ByPassword, ConfirmedFactor, NewFactor } from "./schema.ts";
import { open, seal } from "./sealed.ts";
import { revokeSessions } from "./sessions.ts";
import { beginAttempt } from "./throttle.ts";
import type { Role } from "./tokens.ts";
import { stepOf, toBase32 } from "./totp.ts";

const { credentials, recoveryCodes, secondFactors } = tables;
const codesAtOnce = 10;

/** Six digits of the app, or a recovery code; true once for each. */
export async function takeCode(ctx: Ctx, userId: string, code: string): Promise<boolean> {
  const typed = code.replace(/[\s-]/g, "");
  return /^\d{6}$/.test(typed) ? takeStep(ctx, userId, typed, true) : takeRecoveryCode(ctx, userId, typed);
}

async function takeStep(ctx: Ctx | InTransaction, userId: string, code: string, confirmed: boolean) {
  const [row] = await ctx.db.select().from(secondFactors).where(eq(secondFactors.userId, userId));
  if (!row || (row.confirmedAt !== null) !== confirmed) return false;
  const step = stepOf(open(row.secret, ctx.secret, "second-factors"), code, ctx.now());
  if (step === undefined) return false;
  // Of two that show one code at the same time, one moves the step on.
  const taken = await ctx.db
    .update(secondFactors)
    .set({ lastStep: step })
    .where(and(eq(secondFactors.userId, userId), lt(secondFactors.lastStep, step)))
    .returning({ step: secondFactors.lastStep });
  return taken.length === 1;
}

function takeRecoveryCode(ctx: Ctx, userId: string, code: string): Promise<boolean> {
  return transaction(ctx, async (ctx) => {
    const taken = await ctx.db
      .update(recoveryCodes)
      .set({ usedAt: sql`now()` })
      .where(
        and(
          eq(recoveryCodes.userId, userId),
          eq(recoveryCodes.hash, hashOf(code)),
          isNull(recoveryCodes.usedAt),
        ),
      )
      .returning({ userId: recoveryCodes.userId });
    if (taken.length === 0) return false;
    await note(ctx, userId, "recovery_code.used");
    return true;
  });
}

// 120 random bits a code: nobody guesses one, so a plain hash protects it.
const hashOf = (code: string) => createHash("sha256").update(code.toUpperCase()).digest();
const newCode = () => toBase32(randomBytes(15));
const spaced = (code: string) => code.match(/.{4}/g)!.join("-");

/** Must an account of this role have one? */
export const isFactorNeeded = ({ live, now }: Pick<Ctx, "live" | "now">, role: Role): boolean =>
  live.rules().number("auth.secondFactor", now().getTime()) >= (role === "moderator" ? 1 : 2);

export async function hasFactor({ sql }: Ctx, userId: string): Promise<boolean> {
  const [found] = await sql`
    select from second_factors where user_id = ${userId} and confirmed_at is not null`;
  return found !== undefined;
}

export async function setUpFactor(
  ctx: AsUser,
  input: z.infer<typeof ByPassword>,
): Promise<z.infer<typeof NewFactor>> {
  const { id } = ctx.actor;
  await confirmPassword(ctx, id, input.password);
  return beginFactor(ctx, id);
}

/** For who has shown the password. */
export async function beginFactor(ctx: Ctx, id: string): Promise<z.infer<typeof NewFactor>> {
  const secret = randomBytes(20);
  const sealed = seal(secret, ctx.secret, "second-factors");
  // One that is in use stays until its owner removes it.
  const made = await ctx.db
    .insert(secondFactors)
    .values({ userId: id, secret: sealed })
    .onConflictDoUpdate({
      target: secondFactors.userId,
      set: { secret: sealed, lastStep: 0 },
      setWhere: isNull(secondFactors.confirmedAt),
    })
    .returning({ userId: secondFactors.userId });
  if (made.length === 0) throw new AppError("conflict", "this account has a second factor; remove it first");
  const account = await findAccount(ctx, { id });
  const text = toBase32(secret);
  const label = encodeURIComponent(`Signalbox:${account?.handle ?? id}`);
  return {
    secret: text,
    uri: `otpauth://totp/${label}?secret=${text}&issuer=Signalbox&algorithm=SHA1&digits=6&period=30`,
  };
}

/** Proves that the app has it; from here on signing in needs it. The recovery codes are shown this once. */
export async function confirmFactor(
  ctx: AsUser,
  input: z.infer<typeof ByCode>,
): Promise<z.infer<typeof ConfirmedFactor>> {
  const { id, sessionId } = ctx.actor;
  return finishFactor(ctx, { id, sessionId, code: input.code });
}

/** Every session ends but the one that is named. */
export async function finishFactor(
  ctx: Ctx,
  { id, sessionId, code }: { id: string; sessionId?: string; code: string },
): Promise<z.infer<typeof ConfirmedFactor>> {
  const attempt = await beginAttempt(ctx, `account:${id}`);
  return transaction(ctx, async (ctx) => {
    if (!(await takeStep(ctx, id, code.replace(/\s/g, ""), false))) {
      await attempt.failed();
      const message = "is not the one that the app shows now, or nothing was set up";
      throw new AppError("invalid", `code: ${message}`, { errors: [{ field: "code", message }] });
    }
    attempt.forgive();
    await ctx.db.update(secondFactors).set({ confirmedAt: ctx.now() }).where(eq(secondFactors.userId, id));
    const codes = Array.from({ length: codesAtOnce }, newCode);
    await ctx.db.delete(recoveryCodes).where(eq(recoveryCodes.userId, id));
    await ctx.db.insert(recoveryCodes).values(codes.map((code) => ({ userId: id, hash: hashOf(code) })));
    await revokeSessions(ctx, id, { except: sessionId });
    await note(ctx, id, "second_factor.added");
    await emit(ctx, credentialsChanged, { userId: id, what: "second factor added" });
    return { recoveryCodes: codes.map(spaced) };
  });
}

export async function removeFactor(ctx: AsUser, input: z.infer<typeof ByPassword>): Promise<void> {
  const { id } = ctx.actor;
  await confirmPassword(ctx, id, input.password);
  const [account] = await ctx.db
    .select({ role: credentials.role })
    .from(credentials)
    .where(eq(credentials.userId, id));
  if (account && isFactorNeeded(ctx, account.role))
    throw new AppError(
      "forbidden",
      "this install asks your account for a second factor; it can not be removed",
    );
  await transaction(ctx, (ctx) => dropFactor(ctx, id));
}

async function dropFactor(ctx: InTransaction, userId: string): Promise<void> {
  const gone = await ctx.db.delete(secondFactors).where(eq(secondFactors.userId, userId)).returning();
  await ctx.db.delete(recoveryCodes).where(eq(recoveryCodes.userId, userId));
  if (gone.length === 0) throw new AppError("not_found", "this account has no second factor");
  await note(ctx, userId, "second_factor.removed");
  await emit(ctx, credentialsChanged, { userId, what: "second factor removed" });
}

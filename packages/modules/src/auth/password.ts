// Proving, changing and recovering a password, and proving an address.

import { AppError } from "@signalbox/core/errors";
import { newId } from "@signalbox/core/ids";
import { tables, violatedConstraint } from "@signalbox/db";
import { eq } from "@signalbox/db/query";
import type { z } from "zod";
import { type AsUser, type Ctx, emit, transaction } from "../ctx.ts";
import { note } from "./activity.ts";
import { confirmPassword } from "./confirm.ts";
import { findByEmail, readEmail, writeVerifiedEmail } from "./email.ts";
import {
  credentialsChanged,
  emailChangeAsked,
  emailChanged,
  resetAsked,
  verificationAsked,
} from "./events.ts";
import { makeLink, rememberAddress, takeLink } from "./links.ts";
import { hashPassword } from "./passwords.ts";
import type { ByEmail, ByToken, ChangeEmail, ChangePassword, ResetPassword } from "./schema.ts";
import { revokeSessions } from "./sessions.ts";
import { nameless } from "./throttle.ts";

const { credentials } = tables;

export async function changePassword(ctx: AsUser, input: z.infer<typeof ChangePassword>): Promise<void> {
  const { id, sessionId } = ctx.actor;
  await confirmPassword(ctx, id, input.current);
  const passwordHash = await hashPassword(ctx.passwordCost, input.password);
  await transaction(ctx, async (ctx) => {
    await ctx.db.update(credentials).set({ passwordHash }).where(eq(credentials.userId, id));
    await revokeSessions(ctx, id, { except: sessionId });
    await note(ctx, id, "password.changed");
    await emit(ctx, credentialsChanged, { userId: id, what: "password" });
  });
}

/** The same steps whether anyone has the address or not. */
export async function askForReset(ctx: Ctx, { email }: z.infer<typeof ByEmail>): Promise<void> {
  await countMail(ctx, email);
  const userId = (await findByEmail(ctx, email)) ?? newId();
  await transaction(ctx, (ctx) => emit(ctx, resetAsked, { userId, id: newId() }));
}

export async function resetPassword(ctx: Ctx, input: z.infer<typeof ResetPassword>): Promise<void> {
  const passwordHash = await hashPassword(ctx.passwordCost, input.password);
  await transaction(ctx, async (ctx) => {
    const { userId } = await takeLink(ctx, "reset", input.token);
    await ctx.db.update(credentials).set({ passwordHash }).where(eq(credentials.userId, userId));
    await revokeSessions(ctx, userId);
    await note(ctx, userId, "password.reset");
    await emit(ctx, credentialsChanged, { userId, what: "password" });
  });
}

export async function askForVerification(ctx: AsUser): Promise<void> {
  const { id: userId } = ctx.actor;
  await countMail(ctx, userId);
  const found = await readEmail(ctx, userId);
  if (found?.verifiedAt) return;
  await transaction(ctx, (ctx) => emit(ctx, verificationAsked, { userId, id: newId() }));
}

export async function verifyEmail(ctx: Ctx, { token }: z.infer<typeof ByToken>): Promise<void> {
  await transaction(ctx, async (ctx) => {
    const { userId, email } = await takeLink(ctx, "verify", token);
    await writeVerifiedEmail(ctx, userId, email);
    await note(ctx, userId, "email.verified");
  }).catch(nameTaken);
}

function nameTaken(error: unknown): never {
  throw violatedConstraint(error)
    ? new AppError("conflict", "another account has proven this address", { cause: error })
    : error;
}

/** The account keeps its address until the new one is proven. */
export async function changeEmail(ctx: AsUser, input: z.infer<typeof ChangeEmail>): Promise<void> {
  const { id: userId } = ctx.actor;
  await confirmPassword(ctx, userId, input.password);
  await countMail(ctx, input.email);
  const key = { userId, id: newId() };
  await makeLink(ctx, "change", key, input.email);
  await transaction(ctx, (ctx) => emit(ctx, emailChangeAsked, key));
}

export async function confirmEmail(ctx: Ctx, { token }: z.infer<typeof ByToken>): Promise<void> {
  await transaction(ctx, async (ctx) => {
    const { userId, id, email } = await takeLink(ctx, "change", token);
    const before = await readEmail(ctx, userId);
    await writeVerifiedEmail(ctx, userId, email);
    if (before) await rememberAddress(ctx, { userId, id }, before.email);
    await note(ctx, userId, "email.changed");
    await emit(ctx, emailChanged, { userId, id });
  }).catch(nameTaken);
}

/** Nobody fills another's mailbox: counted by who would get the mails, known here or not. */
async function countMail(ctx: Ctx, subject: string): Promise<void> {
  const limit = ctx.live.rules().limitAt("auth.mail", ctx.now().getTime());
  const left = limit ? await ctx.limiter.take(limit, nameless(ctx, `mail:${subject.toLowerCase()}`)) : 0;
  if (left < 0)
    throw new AppError("rate_limited", "too many mails to one address; wait before you ask again", {
      retryAfterMs: Math.ceil(-left),
    });
}

// Mails that follow from what was announced: never in a request, so that no answer's time tells who has an account.

import { type Ctx, on } from "../ctx.ts";
import { readEmail } from "./email.ts";
import {
  credentialsChanged,
  emailChangeAsked,
  emailChanged,
  resetAsked,
  userCreated,
  verificationAsked,
} from "./events.ts";
import { makeLink, readLink } from "./links.ts";

async function mailVerification(ctx: Ctx, key: { userId: string; id: string }): Promise<void> {
  const found = await readEmail(ctx, key.userId);
  if (!found || found.verifiedAt) return;
  const token = await makeLink(ctx, "verify", key, found.email);
  await ctx.mailer.send({
    userId: key.userId,
    to: found.email,
    subject: "Confirm your e-mail address",
    text: `Confirm that this address is yours with this token, at ${ctx.publicUrl}/v1/auth/email/verify:\n\n${token}\n\nIt works once, for a day. If you did not ask for this, do nothing.`,
  });
}

async function mailReset(ctx: Ctx, key: { userId: string; id: string }): Promise<void> {
  const found = await readEmail(ctx, key.userId);
  if (!found) return;
  const token = await makeLink(ctx, "reset", key, found.email);
  await ctx.mailer.send({
    userId: key.userId,
    to: found.email,
    subject: "Choose a new password",
    text: `Someone, perhaps you, asked to reset your password.\n\nChoose another with this token, at ${ctx.publicUrl}/v1/auth/password/reset:\n\n${token}\n\nIt works once, for half an hour. If it was not you, do nothing.`,
  });
}

async function mailNotice(ctx: Ctx, { userId, what }: { userId: string; what: string }): Promise<void> {
  const found = await readEmail(ctx, userId);
  if (!found) return;
  await ctx.mailer.send({
    userId,
    to: found.email,
    subject: "Your sign-in was changed",
    text: `This was changed on your account: ${what}.\n\nIf it was not you, reset your password now.`,
  });
}

async function mailChange(ctx: Ctx, key: { userId: string; id: string }): Promise<void> {
  const link = await readLink(ctx, "change", key);
  if (!link || link.used) return;
  await ctx.mailer.send({
    userId: key.userId,
    to: link.email,
    subject: "Confirm your new e-mail address",
    text: `Confirm that this address is yours with this token, at ${ctx.publicUrl}/v1/auth/email/confirm:\n\n${link.token}\n\nIt works once, for a day, and your account then has this address. If you did not ask for this, do nothing.`,
  });
}

/** To the address that was: whoever lost his account to a thief reads it there. */
async function mailFarewell(ctx: Ctx, key: { userId: string; id: string }): Promise<void> {
  const link = await readLink(ctx, "change", key);
  if (!link?.used) return;
  await ctx.mailer.send({
    userId: key.userId,
    to: link.email,
    subject: "Your e-mail address was changed",
    text: "Your account has another e-mail address from now on.\n\nIf it was not you, tell the operators of this service now.",
  });
}

export const jobs = [
  // The account's own id serves as the id of its first link.
  on(userCreated, "auth.email.welcome", (ctx, { userId }) => mailVerification(ctx, { userId, id: userId })),
  on(verificationAsked, "auth.email.verification", mailVerification),
  on(resetAsked, "auth.password.reset_mail", mailReset),
  on(emailChangeAsked, "auth.email.change", mailChange),
  on(emailChanged, "auth.email.farewell", mailFarewell),
  on(credentialsChanged, "auth.account.notice", mailNotice),
];

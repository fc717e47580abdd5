// Mails about accounts: made and sent on a queue, so that a mail server that is slow or away holds up nothing else. The queue
// knows whom and what for; addresses and tokens are looked up when the mail is made.

import type { Mail } from "@signalbox/core/mail";
import { z } from "zod";
import type { Ctx } from "../ctx.ts";
import { defineWork } from "../work.ts";
import { readAddressee } from "./email.ts";
import { linkOf, makeLink, readLink } from "./links.ts";

const Letter = z.discriminatedUnion("kind", [
  z.object({
    kind: z.enum(["verification", "reset", "change", "farewell"]),
    userId: z.string(),
    id: z.string(),
  }),
  z.object({ kind: z.literal("notice"), userId: z.string(), what: z.string() }),
]);
type Letter = z.infer<typeof Letter>;
type Text = Omit<Mail, "userId">;

export const sendMail = defineWork(
  {
    name: "auth.mail.send",
    schema: Letter,
    attempts: 12,
    backoffMs: 2_000,
    concurrency: 4,
    keptDone: 0,
    gatherMs: 100,
  },
  async (ctx, letter) => {
    const made = await write(ctx, letter);
    if (made) await ctx.mailer.send({ userId: letter.userId, ...made });
  },
);

/** Undefined: by now there is nothing to say. */
async function write(ctx: Ctx, letter: Letter): Promise<Text | undefined> {
  const { userId, kind } = letter;
  if (kind === "change" || kind === "farewell") {
    const link = await readLink(ctx, "change", letter);
    if (!link || link.used !== (kind === "farewell")) return undefined;
    return kind === "farewell"
      ? // To the address that was: whoever lost his account to a thief reads it there.
        {
          to: link.email,
          subject: "Your e-mail address was changed",
          text: "Your account has another e-mail address from now on.\n\nIf it was not you, tell the operators of this service now.",
        }
      : {
          to: link.email,
          subject: "Confirm your new e-mail address",
          text: `Confirm that this address is yours with this token, at ${ctx.publicUrl}/v1/auth/email/confirm:\n\n${link.token}\n\nIt works once, for a day, and your account then has this address. If you did not ask for this, do nothing.`,
        };
  }
  const found = await readAddressee(ctx, { userId, linkId: kind === "notice" ? userId : letter.id });
  if (!found) return undefined;
  const { email: to, seal } = found;
  if (kind === "notice")
    return {
      to,
      seal,
      subject: "Your sign-in was changed",
      text: `This was changed on your account: ${letter.what}.\n\nIf it was not you, reset your password now.`,
    };
  if (kind === "reset") {
    const token = await makeLink(ctx, "reset", letter, to, seal);
    return {
      to,
      seal,
      subject: "Choose a new password",
      text: `Someone, perhaps you, asked to reset your password.\n\nChoose another with this token, at ${ctx.publicUrl}/v1/auth/password/reset:\n\n${token}\n\nIt works once, for half an hour. If it was not you, do nothing.`,
    };
  }
  if (found.verifiedAt) return undefined;
  // A new account's is there since it was made, unless this job comes late, or an older release made the account.
  const token = found.hasLink
    ? linkOf(ctx, "verify", letter)
    : await makeLink(ctx, "verify", letter, to, seal);
  return {
    to,
    seal,
    subject: "Confirm your e-mail address",
    text: `Confirm that this address is yours with this token, at ${ctx.publicUrl}/v1/auth/email/verify:\n\n${token}\n\nIt works once, for a day. If you did not ask for this, do nothing.`,
  };
}

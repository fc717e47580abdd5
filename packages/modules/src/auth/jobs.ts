// Mails that follow from what was announced: never in a request, so that no answer's time tells who has an account.

import { type Ctx, on } from "../ctx.ts";
import { ask } from "../work.ts";
import {
  credentialsChanged,
  emailChangeAsked,
  emailChanged,
  resetAsked,
  userCreated,
  verificationAsked,
} from "./events.ts";
import { sendMail } from "./mails.ts";

/** Whoever waits for a mail to go on goes before those who are only told. */
const waitedFor = { priority: 1 };
const told = { priority: 10 };
type Key = { userId: string; id: string };

/** The event's own id: run twice in one moment, it asks for one mail; later perhaps for a second, with the same link. */
const once = ({ event }: Ctx) => (event ? { id: event.id } : {});
const mail =
  (kind: "verification" | "reset" | "change" | "farewell") =>
  (ctx: Ctx, { userId, id }: Key) =>
    ask(ctx, sendMail, { kind, userId, id }, { ...once(ctx), ...(kind === "farewell" ? told : waitedFor) });

export const jobs = [
  // The account's own id serves as the id of its first link.
  on(userCreated, "auth.email.welcome", (ctx, { userId }) =>
    mail("verification")(ctx, { userId, id: userId }),
  ),
  on(verificationAsked, "auth.email.verification", mail("verification")),
  on(resetAsked, "auth.password.reset_mail", mail("reset")),
  on(emailChangeAsked, "auth.email.change", mail("change")),
  on(emailChanged, "auth.email.farewell", mail("farewell")),
  on(credentialsChanged, "auth.account.notice", (ctx, { userId, what }) =>
    ask(ctx, sendMail, { kind: "notice", userId, what }, { ...once(ctx), ...told }),
  ),
];

export const work = [sendMail];

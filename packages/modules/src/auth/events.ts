// What auth announces.

import { z } from "zod";
import { defineEvent } from "../ctx.ts";

export const userCreated = defineEvent(
  "user.created",
  1,
  z.object({ userId: z.string(), handle: z.string() }),
);

/** `userId` leads nowhere where nobody has the address: asking looks the same for everyone. */
export const resetAsked = defineEvent(
  "password.reset_asked",
  1,
  z.object({ userId: z.string(), id: z.string() }),
);

/** `id`: of the link that is to be mailed. */
export const verificationAsked = defineEvent(
  "email.verification_asked",
  1,
  z.object({ userId: z.string(), id: z.string() }),
);

/** Another address is to be proven; `id`: of the link that is to be mailed there. */
export const emailChangeAsked = defineEvent(
  "email.change_asked",
  1,
  z.object({ userId: z.string(), id: z.string() }),
);

/** `id`: of the link by which the new one was proven; its row remembers the old one. */
export const emailChanged = defineEvent("email.changed", 1, z.object({ userId: z.string(), id: z.string() }));

/** A password, an address or a second factor is another now: its owner is told. */
export const credentialsChanged = defineEvent(
  "credentials.changed",
  1,
  z.object({
    userId: z.string(),
    what: z.enum(["password", "email", "second factor added", "second factor removed"]),
  }),
);

// What auth takes and gives. Pure, so that forms may import it.

import { isCountry } from "@signalbox/core/countries";
import { z } from "zod";
import { isCommonPassword } from "./common-passwords.ts";

export const Handle = z
  .string()
  // Before the case is changed: the Kelvin sign among others becomes a plain k.
  .regex(/^[A-Za-z0-9_]{3,30}$/, "must be 3 to 30 of the letters a to z, digits and _")
  .transform((text) => text.toLowerCase());

export const Password = z
  .string()
  .transform((text) => text.normalize("NFKC"))
  .pipe(
    z
      .string()
      .min(10, "must have at least 10 characters")
      .max(512, "must have at most 512 characters")
      .refine(
        (text) => !isCommonPassword(text),
        "is on the list of common passwords; choose one that nobody would guess",
      ),
  );

export const Email = z
  .string()
  .max(254)
  .pipe(z.email("must be an e-mail address"))
  .transform((text) => text.toLowerCase());

/** Of residence. */
export const Region = z
  .string()
  .length(2, "must be two letters of ISO 3166-1, such as DE")
  .transform((text) => text.toUpperCase())
  .refine(isCountry, "must be two letters of ISO 3166-1, such as DE");

export const Register = z.object({
  handle: Handle,
  email: Email,
  password: Password,
  region: Region.optional(),
});
const Claimed = z.string().min(1).max(512);
export const Login = z.object({
  login: z.string().min(1).max(254),
  password: Claimed,
  code: z.string().min(6).max(40).optional().describe("of the second factor, or a recovery code"),
});
export const Refresh = z.object({ refreshToken: z.string().min(1).max(512) });

export const ByEmail = z.object({ email: Email });
export const ByToken = z.object({ token: z.string().min(1).max(512) });
export const ResetPassword = z.object({ token: z.string().min(1).max(512), password: Password });
export const ChangePassword = z.object({ current: Claimed, password: Password });
export const ByPassword = z.object({ password: Claimed });
export const ChangeEmail = z.object({ email: Email, password: Claimed });
const Phone = z
  .string()
  .max(40)
  .transform((text) => text.replace(/[\s().-]/g, ""))
  .refine(
    (text) => /^\+[1-9]\d{6,14}$/.test(text),
    "must be a number with its country, such as +49 30 123456",
  );
export const ChangePhone = z.object({ phone: Phone.nullable(), password: Claimed });
export const OwnPhone = z.object({ phone: z.string().nullable() });
export const ByCode = z.object({ code: z.string().min(6).max(40) });
export const Enrol = z.object({ login: Login.shape.login, password: Claimed });
export const ConfirmEnrol = Enrol.extend({ code: z.string().min(6).max(40) });
export const NewFactor = z.object({
  secret: z.string(),
  uri: z.string().describe("for an authenticator app, as text or as a QR code"),
});
export const ConfirmedFactor = z.object({ recoveryCodes: z.array(z.string()) });

export const Activity = z.object({
  id: z.string(),
  userId: z.string(),
  kind: z.string(),
  by: z.string(),
  device: z.string().describe("what its owner did it with; empty: it was not its owner"),
  address: z.string().nullable(),
  detail: z.record(z.string(), z.string()),
  at: z.string(),
});
export const ActivityList = z.object({ items: z.array(Activity), nextCursor: z.string().nullable() });

export const Account = z.object({ id: z.string(), handle: z.string(), displayName: z.string() });
export const SignedIn = z.object({
  user: Account,
  accessToken: z.string(),
  refreshToken: z.string(),
  expiresIn: z.number().int().describe("seconds until the access token ends"),
});

export const Session = z.object({
  id: z.string(),
  device: z.string().describe("the program, in its own words"),
  address: z.string().nullable().describe("where it signed in from"),
  createdAt: z.string(),
  lastUsedAt: z.string(),
  expiresAt: z.string(),
  current: z.boolean(),
});
/** By which someone who signed in a while ago proves that it is still him. */
const again = {
  password: Claimed.optional().describe("needed where you signed in more than 15 minutes ago"),
};
export const BySession = z.object({ id: z.uuid(), ...again });
export const EndAll = z.object(again).optional();
export const SessionList = z.object({ items: z.array(Session), nextCursor: z.string().nullable() });

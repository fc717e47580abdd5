// The console's session: a signed cookie that verifies without a database, because the console is needed most when that is away.

import { z } from "zod";
import { deriveKey, isMac, mac } from "./keys.ts";

const operatorSession = z.object({
  id: z.string(),
  name: z.string(),
  role: z.enum(["viewer", "operator", "admin"]),
  expiresAt: z.number(),
});
export type OperatorSession = z.infer<typeof operatorSession>;

/** With the prefix, a browser takes it over https alone and from this very host; no laptop without https could use it. */
const cookieName = (secure: boolean) => (secure ? "__Host-sb_session" : "sb_session");
const cookieForms = {
  true: /(?:^|; *)__Host-sb_session=([^;]+)/,
  false: /(?:^|; *)sb_session=([^;]+)/,
};
export const sessionMs = 12 * 60 * 60_000;
const prefix = "sbs_";

export function mintOperatorSession(secret: string | Buffer, session: OperatorSession): string {
  const payload = Buffer.from(JSON.stringify(session)).toString("base64url");
  return `${prefix}${payload}.${mac(deriveKey(secret, "operator-session"), payload).toString("base64url")}`;
}

export function verifyOperatorSession(
  secret: string | Buffer,
  cookie: string,
  now: Date = new Date(),
): OperatorSession | undefined {
  if (!cookie.startsWith(prefix)) return undefined;
  const [payload = "", signature = ""] = cookie.slice(prefix.length).split(".");
  if (!isMac(deriveKey(secret, "operator-session"), payload, signature)) return undefined;
  const session = operatorSession.parse(JSON.parse(Buffer.from(payload, "base64url").toString()));
  return session.expiresAt > now.getTime() ? session : undefined;
}

/** SameSite keeps other sites from using it; HttpOnly keeps scripts from reading it. */
export function sessionCookieHeader(value: string, maxAgeMs: number, secure: boolean): string {
  const flags = `Path=/; HttpOnly; SameSite=Strict; Max-Age=${Math.max(0, Math.floor(maxAgeMs / 1_000))}`;
  return `${cookieName(secure)}=${value}; ${flags}${secure ? "; Secure" : ""}`;
}

/** Of a Cookie header. Over https the name without the prefix, which a neighbouring host could set, counts for nothing. */
export const readSessionCookie = (header: string | undefined, secure: boolean): string | undefined =>
  cookieForms[`${secure}`].exec(header ?? "")?.[1];

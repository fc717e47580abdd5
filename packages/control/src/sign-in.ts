// The one-time sign-in link: a short-lived token that whoever holds the install's secret can mint without a database, and who then
// says whom it is for. What needs two persons compares these names; a link without one counts as a person of its own.

import { createHmac, hkdfSync, randomUUID, timingSafeEqual } from "node:crypto";

export type SignIn = {
  jti: string;
  exp: number;
  role: "viewer" | "operator" | "admin";
  /** The same name is the same person, whatever the link. */
  name?: string;
};

/** Small letters only, so that no two names look alike. */
export const operatorName = /^[a-z][a-z0-9._-]{0,39}$/;

const prefix = "sbl_";

export function mintSignInToken(
  secret: string | Buffer,
  { ttlMs, role = "admin", name, now = Date.now() }: { ttlMs: number; now?: number } & Partial<SignIn>,
): string {
  const claims: SignIn = { jti: randomUUID(), exp: now + ttlMs, role, ...(name ? { name } : {}) };
  const payload = Buffer.from(JSON.stringify(claims)).toString("base64url");
  return `${prefix}${payload}.${sign(secret, payload).toString("base64url")}`;
}

/** The claims of a genuine token that has not expired. That it is used once is for the caller to remember, by `jti`. */
export function verifySignInToken(
  secret: string | Buffer,
  token: string,
  now = Date.now(),
): SignIn | undefined {
  const [payload = "", signature = ""] = token.startsWith(prefix)
    ? token.slice(prefix.length).split(".")
    : [];
  const given = Buffer.from(signature, "base64url");
  const expected = sign(secret, payload);
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) return undefined;
  const claims = JSON.parse(Buffer.from(payload, "base64url").toString()) as SignIn;
  return claims.exp > now ? claims : undefined;
}

function sign(secret: string | Buffer, payload: string): Buffer {
  const key = Buffer.from(hkdfSync("sha256", secret, "", "sign-in", 32));
  return createHmac("sha256", key).update(payload).digest();
}

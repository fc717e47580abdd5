// Access tokens (signed, 15 minutes, verified without a database) and refresh tokens (a session's id and counter under a MAC).

import { timingSafeEqual } from "node:crypto";
import { AppError } from "@signalbox/core/errors";
import { createGenerations } from "@signalbox/core/generations";
import { mac } from "@signalbox/core/mac";
import { onceFor } from "@signalbox/core/once-for";
import type { Actor, Deps } from "../ctx.ts";
import { isSignedBy, sign } from "./ed25519.ts";
import { accessSeconds, knownKeys, learnKeys, type SigningKeys, signingKeys } from "./keys.ts";

export { accessSeconds };
export const refreshMs = 7 * 24 * 3_600_000;
/** However busy a session is, its owner signs in anew after this. */
export const sessionMs = 90 * 24 * 3_600_000;
const audience = "signalbox";

/** Nothing that we sign is nearly as long. */
const maxTokenLength = 2_048;
/** By how much the clocks of two instances may differ. */
const clockSkewSeconds = 5;

export type Role = "user" | "moderator";

export async function signAccess(
  deps: Pick<Deps, "db" | "secret" | "publicUrl" | "now">,
  userId: string,
  sessionId: string,
  role: Role = "user",
): Promise<string> {
  const { current } = await signingKeys(deps);
  const nowSeconds = Math.floor(deps.now().getTime() / 1000);
  const claims = {
    sid: sessionId,
    ...(role === "user" ? {} : { role }),
    sub: userId,
    iss: deps.publicUrl,
    aud: audience,
    iat: nowSeconds,
    exp: nowSeconds + accessSeconds,
  };
  const text = `${headOf(current)}.${part(claims)}`;
  // Here and now: to wake a thread of the pool for it and to hear from it costs more than it takes, and hashes may be in its way.
  return `${text}.${sign(current.key, text).toString("base64url")}`;
}

const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");

const headOf = onceFor(({ kid }: SigningKeys["current"]) => part({ alg: "EdDSA", kid, typ: "at+jwt" }));

type Verified = { actor: Extract<Actor, { kind: "user" }>; expiresAtMs: number; kid: string };
type Known = Verified & { bearer: string };

const cacheSize = 50_000;
const nameLength = 8;

/** A number of the signature's end: enough to tell tokens apart, and found at once. What is found must still be the whole token. */
function nameOf(bearer: string): number {
  let name = 0;
  for (let at = bearer.length - nameLength; at < bearer.length; at++)
    name = (Math.imul(name, 31) + bearer.charCodeAt(at)) | 0;
  return name;
}

const bearerOf = (token: string) => `Bearer ${token}`;

/**
 * Verifies once a token and process: the signature costs more than the rest of a cached read together. `peek` answers without
 * waiting for the header of a token that is known and still good: as it is sent, so that nothing is cut out of it.
 */
export function createAccessVerifier(
  deps: Pick<Deps, "db" | "secret" | "publicUrl" | "now" | "revocations">,
) {
  const known = createGenerations<Known, number>(cacheSize);

  function peek(bearer: string): Verified["actor"] | undefined {
    const verified = known.get(nameOf(bearer));
    if (verified === undefined || verified.bearer !== bearer) return undefined;
    const nowMs = deps.now().getTime();
    const good =
      verified.expiresAtMs > nowMs &&
      knownKeys(deps, nowMs)?.verifiers.has(verified.kid) &&
      !deps.revocations.has(verified.actor.sessionId);
    return good ? verified.actor : undefined;
  }

  async function verifyAccess(token: string): Promise<Verified["actor"]> {
    if (token.length > maxTokenLength) throw notValid();
    const bearer = bearerOf(token);
    const actor = peek(bearer);
    if (actor) return actor;
    const { claims, kid, signed, signature } = read(token);
    // Before the signature, which costs more: a token that is only old is the one that comes most.
    const verified = check(claims, kid, deps.publicUrl, deps.now().getTime());
    const keys = await signingKeys(deps);
    const key = keys.verifiers.get(kid) ?? (await learnKeys(deps)).verifiers.get(kid);
    // Here and now: on the thread pool it would wait behind hashes that take a thousand times as long.
    if (!key || !isSignedBy(key, signed, signature)) throw notValid();
    if (deps.revocations.has(verified.actor.sessionId))
      throw new AppError("unauthorized", "this session was ended; sign in again");
    known.set(nameOf(bearer), { ...verified, bearer });
    return verified.actor;
  }
  return Object.assign(verifyAccess, { peek });
}

const tokenForm = /^([\w-]+)\.([\w-]+)\.([\w-]{86})$/;

/** Only the one form that signAccess writes: its algorithm and type, no extension, and a key that is named and not brought along. */
function read(token: string) {
  const [, head = "", body = "", tail = ""] = tokenForm.exec(token) ?? [];
  const { alg, typ, kid, crit } = parse(head);
  if (alg !== "EdDSA" || typ !== "at+jwt" || typeof kid !== "string" || crit !== undefined) throw notValid();
  return {
    kid,
    claims: parse(body),
    signed: token.slice(0, head.length + 1 + body.length),
    signature: Buffer.from(tail, "base64url"),
  };
}

function parse(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(Buffer.from(text, "base64url").toString());
    if (typeof value === "object" && value !== null) return value as Record<string, unknown>;
  } catch {
    // Not ours, as below.
  }
  throw notValid();
}

function check(claims: Record<string, unknown>, kid: string, issuer: string, nowMs: number): Verified {
  const { sub, sid, iss, aud, iat, exp, nbf, role } = claims;
  const now = nowMs / 1_000;
  const good =
    typeof sub === "string" &&
    typeof sid === "string" &&
    typeof iat === "number" &&
    typeof exp === "number" &&
    iss === issuer &&
    aud === audience &&
    exp > now - clockSkewSeconds &&
    iat <= now + clockSkewSeconds &&
    // Nothing that we signed is older, whatever it says of its end.
    iat > now - accessSeconds - clockSkewSeconds &&
    (nbf === undefined || (typeof nbf === "number" && nbf <= now + clockSkewSeconds));
  if (!good) throw notValid();
  const moderator = role === "moderator" ? ({ role } as const) : {};
  return { actor: { kind: "user", id: sub, sessionId: sid, ...moderator }, expiresAtMs: exp * 1_000, kid };
}

const notValid = () =>
  new AppError("unauthorized", "the access token is not valid or has ended; refresh it or sign in again");

export type RefreshClaim = { userId: string; sessionId: string; counter: number };

const prefix = "sbr_";
const macBytes = 16;

/** The same claim always gives the same token: a client that lost the answer can be given it again. */
export function sealRefresh(secret: Buffer, { userId, sessionId, counter }: RefreshClaim): string {
  const body = Buffer.alloc(36);
  body.write(userId.replaceAll("-", ""), 0, "hex");
  body.write(sessionId.replaceAll("-", ""), 16, "hex");
  body.writeUInt32BE(counter, 32);
  return prefix + Buffer.concat([body, refreshMac(secret, body)]).toString("base64url");
}

/** Undefined for anything this install did not make, without asking the database. */
export function openRefresh(secret: Buffer, token: string): RefreshClaim | undefined {
  if (!token.startsWith(prefix)) return undefined;
  const text = token.slice(prefix.length);
  const bytes = Buffer.from(text, "base64url");
  // One claim, one token: the decoder would also take other last letters and stray signs.
  if (bytes.length !== 36 + macBytes || bytes.toString("base64url") !== text) return undefined;
  const body = bytes.subarray(0, 36);
  if (!timingSafeEqual(refreshMac(secret, body), bytes.subarray(36))) return undefined;
  return { userId: toUuid(body, 0), sessionId: toUuid(body, 16), counter: body.readUInt32BE(32) };
}

const refreshMac = (secret: Buffer, body: Buffer) => mac(secret, "refresh-token", body).subarray(0, macBytes);

export function toUuid(bytes: Buffer, at: number): string {
  const text = bytes.toString("hex", at, at + 16);
  return `${text.slice(0, 8)}-${text.slice(8, 12)}-${text.slice(12, 16)}-${text.slice(16, 20)}-${text.slice(20)}`;
}

// Access tokens (signed, 15 minutes, verified without a database) and refresh tokens (a session's id and counter under a MAC).

import { createHmac, hkdfSync, sign, timingSafeEqual } from "node:crypto";
import { AppError } from "@signalbox/core/errors";
import { decodeProtectedHeader, jwtVerify } from "jose";
import type { Actor, Deps } from "../ctx.ts";
import { accessSeconds, learnKeys, type SigningKeys, signingKeys } from "./keys.ts";

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
  const header = { alg: "EdDSA", kid: current.kid, typ: "at+jwt" };
  const claims = {
    sid: sessionId,
    ...(role === "user" ? {} : { role }),
    sub: userId,
    iss: deps.publicUrl,
    aud: audience,
    iat: nowSeconds,
    exp: nowSeconds + accessSeconds,
  };
  const text = `${part(header)}.${part(claims)}`;
  // Here and now: on the thread pool a signature would wait behind hashes that take a thousand times as long.
  return `${text}.${sign(null, Buffer.from(text), current.key).toString("base64url")}`;
}

const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");

type Verified = { actor: Extract<Actor, { kind: "user" }>; expiresAtMs: number; kid: string };

const cacheSize = 50_000;

/** Verifies once a token and process: the signature costs more than the rest of a cached read together. */
export function createAccessVerifier(
  deps: Pick<Deps, "db" | "secret" | "publicUrl" | "now" | "revocations">,
) {
  const known = new Map<string, Verified>();

  return async function verifyAccess(token: string): Promise<Verified["actor"]> {
    const nowMs = deps.now().getTime();
    if (token.length > maxTokenLength) throw notValid();
    const cached = known.get(token);
    const keys = await signingKeys(deps);
    const verified =
      cached && cached.expiresAtMs > nowMs && keys.verifiers.has(cached.kid)
        ? cached
        : await verify(await keysFor(deps, keys, token), token, deps.publicUrl, new Date(nowMs));
    if (deps.revocations.has(verified.actor.sessionId))
      throw new AppError("unauthorized", "this session was ended; sign in again");
    if (verified === cached) return cached.actor;
    if (known.size >= cacheSize) known.delete(known.keys().next().value!);
    known.set(token, verified);
    return verified.actor;
  };
}

/** A key that another instance made a moment ago is read when its first token comes. */
async function keysFor(
  deps: Pick<Deps, "db" | "secret" | "now">,
  keys: SigningKeys,
  token: string,
): Promise<SigningKeys> {
  let kid: unknown;
  try {
    ({ kid } = decodeProtectedHeader(token));
  } catch (cause) {
    throw notValid(cause);
  }
  return typeof kid === "string" && keys.verifiers.has(kid) ? keys : learnKeys(deps);
}

async function verify(keys: SigningKeys, token: string, issuer: string, now: Date): Promise<Verified> {
  try {
    const { payload, protectedHeader } = await jwtVerify(
      token,
      ({ kid }) => {
        const key = keys.verifiers.get(kid ?? "");
        if (!key) throw new Error("unknown key");
        return key;
      },
      {
        algorithms: ["EdDSA"],
        typ: "at+jwt",
        issuer,
        audience,
        currentDate: now,
        clockTolerance: clockSkewSeconds,
        // Also refuses what says that it was signed in the future.
        maxTokenAge: accessSeconds,
        requiredClaims: ["sub", "sid", "iat", "exp"],
      },
    );
    const { sub, sid, exp, role } = payload;
    if (typeof sub !== "string" || typeof sid !== "string" || typeof exp !== "number")
      throw new Error("a claim is missing");
    const moderator = role === "moderator" ? ({ role } as const) : {};
    const actor = { kind: "user", id: sub, sessionId: sid, ...moderator } as const;
    return { actor, expiresAtMs: exp * 1000, kid: protectedHeader.kid! };
  } catch (cause) {
    throw notValid(cause);
  }
}

const notValid = (cause?: unknown) =>
  new AppError("unauthorized", "the access token is not valid or has ended; refresh it or sign in again", {
    cause,
  });

export type RefreshClaim = { userId: string; sessionId: string; counter: number };

const prefix = "sbr_";
const macBytes = 16;

/** The same claim always gives the same token: a client that lost the answer can be given it again. */
export function sealRefresh(secret: Buffer, { userId, sessionId, counter }: RefreshClaim): string {
  const body = Buffer.alloc(36);
  body.write(userId.replaceAll("-", ""), 0, "hex");
  body.write(sessionId.replaceAll("-", ""), 16, "hex");
  body.writeUInt32BE(counter, 32);
  return prefix + Buffer.concat([body, mac(secret, body)]).toString("base64url");
}

/** Undefined for anything this install did not make, without asking the database. */
export function openRefresh(secret: Buffer, token: string): RefreshClaim | undefined {
  if (!token.startsWith(prefix)) return undefined;
  const text = token.slice(prefix.length);
  const bytes = Buffer.from(text, "base64url");
  // One claim, one token: the decoder would also take other last letters and stray signs.
  if (bytes.length !== 36 + macBytes || bytes.toString("base64url") !== text) return undefined;
  const body = bytes.subarray(0, 36);
  if (!timingSafeEqual(mac(secret, body), bytes.subarray(36))) return undefined;
  return { userId: toUuid(body, 0), sessionId: toUuid(body, 16), counter: body.readUInt32BE(32) };
}

const macKeys = new WeakMap<Buffer, Buffer>();

function mac(secret: Buffer, body: Buffer): Buffer {
  let key = macKeys.get(secret);
  if (!key) {
    key = Buffer.from(hkdfSync("sha256", secret, "", "refresh-token", 32));
    macKeys.set(secret, key);
  }
  return createHmac("sha256", key).update(body).digest().subarray(0, macBytes);
}

export function toUuid(bytes: Buffer, at: number): string {
  const text = bytes.toString("hex", at, at + 16);
  return `${text.slice(0, 8)}-${text.slice(8, 12)}-${text.slice(12, 16)}-${text.slice(16, 20)}-${text.slice(20)}`;
}

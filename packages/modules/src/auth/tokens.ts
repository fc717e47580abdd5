// Access tokens (signed, 15 minutes, verified without a database) and refresh tokens (a session's id and counter under a MAC).

import { createHmac, hkdfSync, timingSafeEqual } from "node:crypto";
import { AppError } from "@signalbox/core/errors";
import { jwtVerify, SignJWT } from "jose";
import type { Actor, Deps } from "../ctx.ts";
import { type SigningKeys, signingKeys } from "./keys.ts";

export const accessSeconds = 15 * 60;
export const refreshMs = 7 * 24 * 3_600_000;
const audience = "signalbox";

export async function signAccess(deps: Deps, userId: string, sessionId: string): Promise<string> {
  const { current } = await signingKeys(deps);
  const nowSeconds = Math.floor(deps.now().getTime() / 1000);
  return new SignJWT({ sid: sessionId })
    .setProtectedHeader({ alg: "EdDSA", kid: current.kid, typ: "at+jwt" })
    .setSubject(userId)
    .setIssuer(deps.publicUrl)
    .setAudience(audience)
    .setIssuedAt(nowSeconds)
    .setExpirationTime(nowSeconds + accessSeconds)
    .sign(current.key);
}

type Verified = { actor: Extract<Actor, { kind: "user" }>; expiresAtMs: number };

const cacheSize = 50_000;

/** Verifies once a token and process: the signature costs more than the rest of a cached read together. */
export function createAccessVerifier(
  deps: Pick<Deps, "db" | "secret" | "publicUrl" | "now" | "revocations">,
) {
  const known = new Map<string, Verified>();

  return async function verifyAccess(token: string): Promise<Verified["actor"]> {
    const nowMs = deps.now().getTime();
    const cached = known.get(token);
    const verified =
      cached && cached.expiresAtMs > nowMs
        ? cached
        : await verify(await signingKeys(deps), token, deps.publicUrl, new Date(nowMs));
    if (deps.revocations.has(verified.actor.sessionId))
      throw new AppError("unauthorized", "this session was ended; sign in again");
    if (verified === cached) return cached.actor;
    if (known.size >= cacheSize) known.delete(known.keys().next().value!);
    known.set(token, verified);
    return verified.actor;
  };
}

async function verify(keys: SigningKeys, token: string, issuer: string, now: Date): Promise<Verified> {
  try {
    const { payload } = await jwtVerify(
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
        requiredClaims: ["sub", "sid", "exp"],
      },
    );
    const { sub, sid, exp } = payload;
    if (typeof sub !== "string" || typeof sid !== "string" || typeof exp !== "number")
      throw new Error("a claim is missing");
    return { actor: { kind: "user", id: sub, sessionId: sid }, expiresAtMs: exp * 1000 };
  } catch (cause) {
    throw new AppError(
      "unauthorized",
      "the access token is not valid or has ended; refresh it or sign in again",
      { cause },
    );
  }
}

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
  const bytes = Buffer.from(token.slice(prefix.length), "base64url");
  if (bytes.length !== 36 + macBytes) return undefined;
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

function toUuid(bytes: Buffer, at: number): string {
  const text = bytes.toString("hex", at, at + 16);
  return `${text.slice(0, 8)}-${text.slice(8, 12)}-${text.slice(12, 16)}-${text.slice(16, 20)}-${text.slice(20)}`;
}

// Tokens that must open nothing, by what is wrong with them: for tests, of the verifier and of the door.

import { createHmac, createPublicKey, generateKeyPairSync, type KeyObject, randomUUID } from "node:crypto";
import { SignJWT } from "jose";
import type { Deps } from "../ctx.ts";
import { signingKeys } from "./keys.ts";
import { accessSeconds } from "./tokens.ts";

const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
const nowSeconds = () => Math.floor(Date.now() / 1_000);

type Change = { header?: Record<string, unknown>; claims?: Record<string, unknown> };

export type OwnToken = { deps: Deps; sub: string; sid: string; refreshToken: string };

/** As we sign them, but for what is changed. */
export async function tokenLike(
  { deps, sub, sid }: OwnToken,
  { header = {}, claims = {} }: Change = {},
): Promise<string> {
  const { current } = await signingKeys(deps);
  const usual = {
    sid,
    sub,
    iss: deps.publicUrl,
    aud: "signalbox",
    iat: nowSeconds(),
    exp: nowSeconds() + accessSeconds,
  };
  const kept = Object.entries({ ...usual, ...claims }).filter(([, value]) => value !== undefined);
  return new SignJWT(Object.fromEntries(kept))
    .setProtectedHeader({ alg: "EdDSA", kid: current.kid, typ: "at+jwt", ...header })
    .sign(current.key);
}

const stranger: { publicKey: KeyObject; privateKey: KeyObject } = generateKeyPairSync("ed25519");
const strangersJwk = stranger.publicKey.export({ format: "jwk" });

const signedByStranger = async ({ deps, sub, sid }: OwnToken, header: Record<string, unknown>) => {
  const { current } = await signingKeys(deps);
  return new SignJWT({ sid, sub, iss: deps.publicUrl, aud: "signalbox" })
    .setIssuedAt()
    .setExpirationTime("10m")
    .setProtectedHeader({ alg: "EdDSA", kid: current.kid, typ: "at+jwt", ...header })
    .sign(stranger.privateKey);
};

type Make = (whose: OwnToken, token: (change?: Change) => Promise<string>) => Promise<string>;

export const badTokens: Record<string, Make> = {
  "no token at all": async () => "x",
  "three dots": async () => "..",
  expired: (_, token) => token({ claims: { iat: nowSeconds() - 2_000, exp: nowSeconds() - 60 } }),
  "not yet valid (nbf)": (_, token) => token({ claims: { nbf: nowSeconds() + 60 } }),
  "signed in the future (iat)": (_, token) => token({ claims: { iat: nowSeconds() + 60 } }),
  "older than any of ours (iat), with a far end": (_, token) =>
    token({ claims: { iat: nowSeconds() - accessSeconds - 60, exp: nowSeconds() + 86_400 } }),
  "without an end": (_, token) => token({ claims: { exp: undefined } }),
  "without an instant of signing": (_, token) => token({ claims: { iat: undefined } }),
  "without a session": (_, token) => token({ claims: { sid: undefined } }),
  "without a subject": (_, token) => token({ claims: { sub: undefined } }),
  "with a session that is no text": (_, token) => token({ claims: { sid: { $ne: "" } } }),
  "for another audience": (_, token) => token({ claims: { aud: "another" } }),
  "from another issuer": (_, token) => token({ claims: { iss: "https://evil.example" } }),
  "of another type": (_, token) => token({ header: { typ: "JWT" } }),
  "with an extension that must be understood": ({ sub, sid }) => {
    const { privateKey } = stranger;
    return new SignJWT({ sid, sub })
      .setProtectedHeader({ alg: "EdDSA", crit: ["b64"], b64: true })
      .sign(privateKey);
  },
  "signed by a stranger under our key's id": (whose) => signedByStranger(whose, {}),
  "signed by a stranger who brings the key (jwk)": (whose) => signedByStranger(whose, { jwk: strangersJwk }),
  "signed by a stranger who says where the key is (jku)": (whose) =>
    signedByStranger(whose, { jku: "http://127.0.0.1:1/jwks.json" }),
  "signed by a stranger with a certificate's address (x5u)": (whose) =>
    signedByStranger(whose, { x5u: "http://127.0.0.1:1/" }),
  "kid of no key": (_, token) => token({ header: { kid: randomUUID() } }),
  "kid that walks the file system": (_, token) => token({ header: { kid: "../../../../dev/null" } }),
  "kid that is SQL": (_, token) => token({ header: { kid: "' union select 'x' --" } }),
  "kid of a prototype": (_, token) => token({ header: { kid: "__proto__" } }),
  "no kid": (_, token) => token({ header: { kid: undefined } }),
  "alg none": async (_, token) => `${part({ alg: "none", typ: "at+jwt" })}.${(await token()).split(".")[1]}.`,
  "alg None, with the old signature": async (_, token) => {
    const [, body, signature] = (await token()).split(".");
    return `${part({ alg: "None", typ: "at+jwt" })}.${body}.${signature}`;
  },
  "HS256 with our public key as the secret (key confusion)": async ({ deps }, token) => {
    const { current } = await signingKeys(deps);
    const [, body] = (await token()).split(".");
    const head = part({ alg: "HS256", kid: current.kid, typ: "at+jwt" });
    const pem = createPublicKey(current.key).export({ format: "pem", type: "spki" });
    return `${head}.${body}.${createHmac("sha256", pem).update(`${head}.${body}`).digest("base64url")}`;
  },
  "forged: another subject under the old signature": async (_, token) => {
    const [head, body, signature] = (await token()).split(".");
    const claims = JSON.parse(Buffer.from(body!, "base64url").toString());
    return `${head}.${part({ ...claims, sub: randomUUID() })}.${signature}`;
  },
  "forged: a role under the old signature": async (_, token) => {
    const [head, body, signature] = (await token()).split(".");
    const claims = JSON.parse(Buffer.from(body!, "base64url").toString());
    return `${head}.${part({ ...claims, role: "moderator" })}.${signature}`;
  },
  "a cut signature": async (_, token) => (await token()).slice(0, -4),
  huge: (_, token) => token({ claims: { filler: "x".repeat(100_000) } }),
  "a refresh token": async ({ refreshToken }) => refreshToken,
};

export const badToken = (name: string, whose: OwnToken): Promise<string> =>
  badTokens[name]!(whose, (change) => tokenLike(whose, change));

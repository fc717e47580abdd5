import assert from "node:assert/strict";
import { createHmac, createPublicKey, generateKeyPairSync, randomUUID } from "node:crypto";
import { after, before, test } from "node:test";
import { connectDatabase } from "@signalbox/db";
import { SignJWT } from "jose";
import { testWorld, type World } from "../testing.ts";
import { leadMs, listKeys, rotateKeys, signingKeys } from "./keys.ts";
import { accessSeconds, createAccessVerifier, signAccess } from "./tokens.ts";

let world: World;
before(async () => {
  world = await testWorld();
});
after(() => world.close());

const sub = randomUUID();
const sid = randomUUID();
const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
const nowSeconds = () => Math.floor(Date.now() / 1_000);

type Change = { header?: Record<string, unknown>; claims?: Record<string, unknown> };

/** As we sign them, but for what is changed. */
async function token({ header = {}, claims = {} }: Change = {}): Promise<string> {
  const { current } = await signingKeys(world.deps);
  const usual = {
    sid,
    sub,
    iss: world.deps.publicUrl,
    aud: "signalbox",
    iat: nowSeconds(),
    exp: nowSeconds() + accessSeconds,
  };
  const kept = Object.entries({ ...usual, ...claims }).filter(([, value]) => value !== undefined);
  return new SignJWT(Object.fromEntries(kept))
    .setProtectedHeader({ alg: "EdDSA", kid: current.kid, typ: "at+jwt", ...header })
    .sign(current.key);
}

const own: { publicKey: import("node:crypto").KeyObject; privateKey: import("node:crypto").KeyObject } =
  generateKeyPairSync("ed25519");
const ownJwk = own.publicKey.export({ format: "jwk" });

const signedByStranger = async (header: Record<string, unknown>) => {
  const { current } = await signingKeys(world.deps);
  return new SignJWT({ sid, sub, iss: world.deps.publicUrl, aud: "signalbox" })
    .setIssuedAt()
    .setExpirationTime("10m")
    .setProtectedHeader({ alg: "EdDSA", kid: current.kid, typ: "at+jwt", ...header })
    .sign(own.privateKey);
};

/** By its name: a token that must not open anything. */
const bad: Record<string, () => Promise<string>> = {
  "no token at all": async () => "x",
  "three dots": async () => "..",
  expired: () => token({ claims: { iat: nowSeconds() - 2_000, exp: nowSeconds() - 60 } }),
  "not yet valid (nbf)": () => token({ claims: { nbf: nowSeconds() + 60 } }),
  "signed in the future (iat)": () => token({ claims: { iat: nowSeconds() + 60 } }),
  "older than any of ours (iat), with a far end": () =>
    token({ claims: { iat: nowSeconds() - accessSeconds - 60, exp: nowSeconds() + 86_400 } }),
  "without an end": () => token({ claims: { exp: undefined } }),
  "without an instant of signing": () => token({ claims: { iat: undefined } }),
  "without a session": () => token({ claims: { sid: undefined } }),
  "without a subject": () => token({ claims: { sub: undefined } }),
  "with a session that is no text": () => token({ claims: { sid: { $ne: "" } } }),
  "for another audience": () => token({ claims: { aud: "another" } }),
  "from another issuer": () => token({ claims: { iss: "https://evil.example" } }),
  "of another type": () => token({ header: { typ: "JWT" } }),
  "with an extension that must be understood": () => {
    const { privateKey } = own;
    return new SignJWT({ sid, sub })
      .setProtectedHeader({ alg: "EdDSA", crit: ["b64"], b64: true })
      .sign(privateKey);
  },
  "signed by a stranger under our key's id": () => signedByStranger({}),
  "signed by a stranger who brings the key (jwk)": () => signedByStranger({ jwk: ownJwk }),
  "signed by a stranger who says where the key is (jku)": () =>
    signedByStranger({ jku: "http://127.0.0.1:1/jwks.json" }),
  "signed by a stranger with a certificate's address (x5u)": () =>
    signedByStranger({ x5u: "http://127.0.0.1:1/" }),
  "kid of no key": () => token({ header: { kid: randomUUID() } }),
  "kid that walks the file system": () => token({ header: { kid: "../../../../dev/null" } }),
  "kid that is SQL": () => token({ header: { kid: "' union select 'x' --" } }),
  "kid of a prototype": () => token({ header: { kid: "__proto__" } }),
  "no kid": () => token({ header: { kid: undefined } }),
  "alg none": async () => `${part({ alg: "none", typ: "at+jwt" })}.${(await token()).split(".")[1]}.`,
  "alg None, with the old signature": async () => {
    const [, body, signature] = (await token()).split(".");
    return `${part({ alg: "None", typ: "at+jwt" })}.${body}.${signature}`;
  },
  "HS256 with our public key as the secret (key confusion)": async () => {
    const { current } = await signingKeys(world.deps);
    const [, body] = (await token()).split(".");
    const head = part({ alg: "HS256", kid: current.kid, typ: "at+jwt" });
    const pem = createPublicKey(current.key).export({ format: "pem", type: "spki" });
    return `${head}.${body}.${createHmac("sha256", pem).update(`${head}.${body}`).digest("base64url")}`;
  },
  "forged: another subject under the old signature": async () => {
    const [head, body, signature] = (await token()).split(".");
    const claims = JSON.parse(Buffer.from(body!, "base64url").toString());
    return `${head}.${part({ ...claims, sub: randomUUID() })}.${signature}`;
  },
  "forged: a role under the old signature": async () => {
    const [head, body, signature] = (await token()).split(".");
    const claims = JSON.parse(Buffer.from(body!, "base64url").toString());
    return `${head}.${part({ ...claims, role: "moderator" })}.${signature}`;
  },
  "a cut signature": async () => (await token()).slice(0, -4),
  huge: () => token({ claims: { filler: "x".repeat(100_000) } }),
  "a refresh token": async () => {
    const made = await world.guest().auth.account.register({
      handle: `u${sub.slice(0, 8)}`,
      email: "t@example.test",
      password: "a phrase long enough",
    });
    return made.refreshToken;
  },
};

for (const [name, make] of Object.entries(bad))
  test(`refused as an access token: ${name}`, async () => {
    const verify = createAccessVerifier(world.deps);
    await assert.rejects(verify(await make()), { code: "unauthorized" });
  });

test("what we sign is taken, with its role", async () => {
  const verify = createAccessVerifier(world.deps);
  assert.deepEqual(await verify(await token()), { kind: "user", id: sub, sessionId: sid });
  const actor = await verify(await signAccess(world.deps, sub, sid, "moderator"));
  assert.deepEqual(actor, { kind: "user", id: sub, sessionId: sid, role: "moderator" });
});

test("keys rotate without logging anyone out: published first, used later, dropped when the last token has ended", async () => {
  let nowMs = Date.now();
  const deps = { ...world.deps, now: () => new Date(nowMs) };
  const verify = createAccessVerifier(deps);
  const old = await signingKeys(deps);
  const { kid } = await rotateKeys(deps, { immediately: false });
  const next = await signingKeys(deps);
  assert.equal(next.current.kid, old.current.kid);
  assert.ok(next.published.keys.some((key) => key.kid === kid));
  await assert.rejects(rotateKeys(deps, { immediately: false }), { code: "conflict" });
  nowMs += leadMs - 1_000;
  const lastOfOld = await signAccess(deps, sub, sid);
  nowMs += 2_000;
  assert.equal((await signingKeys(deps)).current.kid, kid);
  await verify(lastOfOld);
  await createAccessVerifier(deps)(lastOfOld);
  await verify(await signAccess(deps, sub, sid));
  nowMs += (accessSeconds - 10) * 1_000;
  await createAccessVerifier(deps)(lastOfOld);
  nowMs += 120_000;
  assert.ok(!(await signingKeys(deps)).verifiers.has(old.current.kid));
  assert.deepEqual(
    (await listKeys(deps)).map(({ state }) => state),
    ["retired", "signing"],
  );
});

test("another instance reads a key that it does not know when the first token of it comes, and not for every stranger's", async () => {
  const [place] = await world.deps.sql`select current_database() as name`;
  const url = new URL(process.env.TEST_DATABASE_URL!);
  url.pathname = `/${place!.name}`;
  const elsewhere = connectDatabase(url.href, { name: "elsewhere", poolSize: 2 });
  try {
    const other = { ...world.deps, db: elsewhere.db };
    const verify = createAccessVerifier(other);
    await verify(await signAccess(world.deps, sub, sid));
    await rotateKeys(world.deps, { immediately: true });
    await verify(await signAccess(world.deps, sub, sid));
    let asked = 0;
    const counting = new Proxy(elsewhere.db, {
      get(target, name) {
        if (name === "select") asked += 1;
        const value = Reflect.get(target, name);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
    const counted = createAccessVerifier({ ...other, db: counting });
    await signingKeys({ ...other, db: counting });
    asked = 0;
    for (let n = 0; n < 50; n += 1)
      await assert.rejects(counted(await token({ header: { kid: randomUUID() } })), { code: "unauthorized" });
    assert.ok(asked <= 2, `${asked} look-ups for 50 unknown keys`);
  } finally {
    await elsewhere.close();
  }
});

test("a stolen key is refused at once, and refreshing goes on", async () => {
  const guest = world.guest();
  const made = await guest.auth.account.register({
    handle: "ola_stolen",
    email: "ola@example.test",
    password: "a phrase long enough",
  });
  const verify = createAccessVerifier(world.deps);
  await verify(made.accessToken);
  await rotateKeys(world.deps, { immediately: true });
  await assert.rejects(verify(made.accessToken), { code: "unauthorized" });
  const { accessToken } = await guest.auth.session.refresh({ refreshToken: made.refreshToken });
  await verify(accessToken);
});

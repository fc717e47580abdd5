// The keys that sign access tokens: kept in Postgres under the install's secret, so that every instance signs and verifies alike.

import {
  createCipheriv,
  createDecipheriv,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  hkdfSync,
  type KeyObject,
  randomBytes,
} from "node:crypto";
import { newId } from "@signalbox/core/ids";
import { tables } from "@signalbox/db";
import { locks } from "@signalbox/db/locks";
import { desc, isNull, sql } from "@signalbox/db/query";
import type { Deps } from "../ctx.ts";

type Jwk = { kty: "OKP"; crv: "Ed25519"; x: string; d?: string };
export type SigningKeys = {
  current: { kid: string; key: KeyObject };
  verifiers: Map<string, KeyObject>;
  published: { keys: (Jwk & { kid: string; alg: "EdDSA"; use: "sig" })[] };
};

// By database, because several installs can live in one process (tests do).
const loaded = new WeakMap<Deps["db"], Promise<SigningKeys>>();

/** The install's keys, read once a process and made when there are none. */
export function signingKeys({ db, secret }: Pick<Deps, "db" | "secret">): Promise<SigningKeys> {
  let keys = loaded.get(db);
  if (!keys) {
    keys = loadOrMake(db, secret);
    loaded.set(db, keys);
    keys.catch(() => loaded.delete(db));
  }
  return keys;
}

async function loadOrMake(db: Deps["db"], secret: Buffer): Promise<SigningKeys> {
  const rows = await db.transaction(async (tx) => {
    const read = () =>
      tx
        .select()
        .from(tables.signingKeys)
        .where(isNull(tables.signingKeys.retiredAt))
        .orderBy(desc(tables.signingKeys.createdAt));
    // Two instances that start on an empty database must agree on one key.
    await tx.execute(sql`select pg_advisory_xact_lock(${locks.signingKeys})`);
    const found = await read();
    if (found.length > 0) return found;
    const { publicKey, privateKey } = generateKeyPairSync("ed25519");
    await tx.insert(tables.signingKeys).values({
      kid: newId(),
      publicJwk: publicKey.export({ format: "jwk" }),
      privateJwk: seal(Buffer.from(JSON.stringify(privateKey.export({ format: "jwk" }))), secret),
    });
    return read();
  });
  const [newest] = rows;
  if (!newest) throw new Error("the signing key that was just written can not be read");
  const verifiers = new Map(
    rows.map((row) => [row.kid, createPublicKey({ format: "jwk", key: row.publicJwk as Jwk })]),
  );
  const key = createPrivateKey({
    format: "jwk",
    key: JSON.parse(open(newest.privateJwk, secret).toString()),
  });
  const published = rows.map((row) => ({
    ...(row.publicJwk as Jwk),
    kid: row.kid,
    alg: "EdDSA" as const,
    use: "sig" as const,
  }));
  return { current: { kid: newest.kid, key }, verifiers, published: { keys: published } };
}

const sealingKey = (secret: Buffer) => Buffer.from(hkdfSync("sha256", secret, "", "signing-keys", 32));

function seal(plain: Buffer, secret: Buffer): Buffer {
  const iv = randomBytes(12);
  const cipher = createCipheriv("aes-256-gcm", sealingKey(secret), iv);
  const sealed = Buffer.concat([cipher.update(plain), cipher.final()]);
  return Buffer.concat([iv, cipher.getAuthTag(), sealed]);
}

function open(sealed: Buffer, secret: Buffer): Buffer {
  const decipher = createDecipheriv("aes-256-gcm", sealingKey(secret), sealed.subarray(0, 12));
  decipher.setAuthTag(sealed.subarray(12, 28));
  try {
    return Buffer.concat([decipher.update(sealed.subarray(28)), decipher.final()]);
  } catch (cause) {
    throw new Error(
      "the signing keys in the database were made with another master secret; restore the secret file that belongs to this database",
      { cause },
    );
  }
}

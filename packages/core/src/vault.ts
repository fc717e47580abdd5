// Encryption at rest: a small interface to whatever keeps the master key, sealing under a data key, and a keyed index to look up
// what is sealed.

import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createSecretKey,
  hkdfSync,
  type KeyObject,
  randomBytes,
} from "node:crypto";
import { mac } from "./mac.ts";

export type Wrapped = { masterVersion: string; wrapped: Buffer };

/** Keeps the master keys; data keys pass through it and are not kept. A cloud's key service fits behind it as well. */
export type Kms = {
  /** The master key that wraps from now on. */
  current: string;
  wrap(dataKey: Buffer, context: string): Promise<Wrapped>;
  unwrap(wrapped: Wrapped, context: string): Promise<Buffer>;
};

/** Master keys that this process holds: the first one wraps, the older ones only unwrap until all is wrapped anew. */
export function localKms(secrets: [Buffer, ...Buffer[]]): Kms {
  const masters = new Map(
    secrets.map((secret) => {
      const key = Buffer.from(hkdfSync("sha256", secret, "", "vault-master", 32));
      const version = createHash("sha256").update("master version").update(key).digest("hex").slice(0, 16);
      return [version, createSecretKey(key)];
    }),
  );
  const [current = ""] = masters.keys();
  return {
    current,
    wrap: async (dataKey, context) => ({
      masterVersion: current,
      wrapped: seal(masters.get(current)!, `wrap:${context}`, dataKey),
    }),
    async unwrap({ masterVersion, wrapped }, context) {
      const master = masters.get(masterVersion);
      if (!master)
        throw new Error(
          `a data key was wrapped by the master key ${masterVersion}, which this process does not hold; name that key's file beside the new one until all keys are wrapped anew`,
        );
      return open(master, `wrap:${context}`, wrapped);
    },
  };
}

const formatVersion = 1;
const ivBytes = 12;
const tagBytes = 16;
const headBytes = 1 + ivBytes + tagBytes;

/** What is sealed opens only under the same context, so a value moved to another row or column is refused. */
export function seal(key: Buffer | KeyObject, context: string, plain: Buffer | string): Buffer {
  const iv = randomBytes(ivBytes);
  const cipher = createCipheriv("aes-256-gcm", key, iv).setAAD(Buffer.from(context));
  const text = Buffer.concat([cipher.update(plain), cipher.final()]);
  return Buffer.concat([Buffer.of(formatVersion), iv, cipher.getAuthTag(), text]);
}

export function open(key: Buffer | KeyObject, context: string, sealed: Buffer): Buffer {
  if (sealed[0] !== formatVersion || sealed.length < headBytes)
    throw new Error("this was not sealed by a vault of this version");
  const decipher = createDecipheriv("aes-256-gcm", key, sealed.subarray(1, 1 + ivBytes), {
    authTagLength: tagBytes,
  })
    .setAAD(Buffer.from(context))
    .setAuthTag(sealed.subarray(1 + ivBytes, headBytes));
  return Buffer.concat([decipher.update(sealed.subarray(headBytes)), decipher.final()]);
}

/** Equal texts have equal indexes, and without the secret nobody can tell which text an index stands for. */
export function blindIndex(secret: Buffer, purpose: string, text: string): Buffer {
  return mac(secret, `blind index ${purpose}`, text);
}

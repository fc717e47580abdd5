// Secrets of ours at rest: AES-256-GCM under a key that the install's master secret gives for one purpose.

import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { deriveKey } from "@signalbox/control/keys";

export type Purpose = "signing-keys" | "second-factors";

export function seal(plain: Buffer, secret: Buffer, purpose: Purpose): Buffer {
  const iv = randomBytes(12);
  const cipher = createCipheriv("aes-256-gcm", deriveKey(secret, purpose), iv);
  const sealed = Buffer.concat([cipher.update(plain), cipher.final()]);
  return Buffer.concat([iv, cipher.getAuthTag(), sealed]);
}

export function open(sealed: Buffer, secret: Buffer, purpose: Purpose): Buffer {
  const decipher = createDecipheriv("aes-256-gcm", deriveKey(secret, purpose), sealed.subarray(0, 12));
  decipher.setAuthTag(sealed.subarray(12, 28));
  try {
    return Buffer.concat([decipher.update(sealed.subarray(28)), decipher.final()]);
  } catch (cause) {
    throw new Error(
      `the ${purpose} in the database were made with another master secret; restore the secret file that belongs to this database`,
      { cause },
    );
  }
}

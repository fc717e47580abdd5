// One master secret, a key of its own for each purpose: what one of them signs, none of the others accepts.

import { createHmac, hkdfSync, timingSafeEqual } from "node:crypto";

export function deriveKey(secret: string | Buffer, purpose: string): Buffer {
  return Buffer.from(hkdfSync("sha256", secret, "", purpose, 32));
}

export const mac = (key: Buffer, text: string): Buffer => createHmac("sha256", key).update(text).digest();

export function isMac(key: Buffer, text: string, given: string): boolean {
  const expected = mac(key, text);
  const bytes = Buffer.from(given, "base64url");
  return bytes.length === expected.length && timingSafeEqual(bytes, expected);
}

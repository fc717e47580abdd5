// MACs under keys that the install's secret gives, one a purpose. A key is derived once and kept as a key object: deriving it, or
// handing Node a plain buffer, costs many times as much as the MAC itself.

import { createHmac, createSecretKey, hkdfSync, type KeyObject } from "node:crypto";

const keysOf = new WeakMap<Buffer, Map<string, KeyObject>>();

/** Purposes are few and written in the code: each is kept for good. */
export function mac(secret: Buffer, purpose: string, text: Buffer | string): Buffer {
  let keys = keysOf.get(secret);
  if (!keys) {
    keys = new Map();
    keysOf.set(secret, keys);
  }
  let key = keys.get(purpose);
  if (!key) {
    key = createSecretKey(Buffer.from(hkdfSync("sha256", secret, "", purpose, 32)));
    keys.set(purpose, key);
  }
  return createHmac("sha256", key).update(text).digest();
}

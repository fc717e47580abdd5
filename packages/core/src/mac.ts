// MACs under keys that the install's secret gives, one a purpose. A key is derived once and kept as a key object: deriving it, or
// handing Node a plain buffer, costs many times as much as the MAC itself.

import { createHmac, createSecretKey, hkdfSync, type KeyObject } from "node:crypto";
import { onceFor } from "./once-for.ts";

/** By secret, and then by purpose; purposes are few and written in the code: each is kept for good. */
const keysOf = onceFor((_secret: Buffer) => new Map<string, KeyObject>());

export function mac(secret: Buffer, purpose: string, text: Buffer | string): Buffer {
  const keys = keysOf(secret);
  let key = keys.get(purpose);
  if (!key) {
    key = createSecretKey(Buffer.from(hkdfSync("sha256", secret, "", purpose, 32)));
    keys.set(purpose, key);
  }
  return createHmac("sha256", key).update(text).digest();
}

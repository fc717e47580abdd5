// Signatures by libsodium, which makes and checks them in half the time of the OpenSSL that Node brings along
// (docs/decisions/0022-libsodium-signs-tokens.md). Keys stay Node's: this is the one place that knows what libsodium wants of them.

import type { KeyObject } from "node:crypto";
import { onceFor } from "@signalbox/core/once-for";
import sodium from "sodium-native";

export function sign(key: KeyObject, text: string): Buffer {
  const signature = Buffer.allocUnsafe(sodium.crypto_sign_BYTES);
  sodium.crypto_sign_detached(signature, Buffer.from(text), rawOf(key));
  return signature;
}

export const isSignedBy = (key: KeyObject, text: string, signature: Buffer): boolean =>
  signature.length === sodium.crypto_sign_BYTES &&
  sodium.crypto_sign_verify_detached(signature, Buffer.from(text), rawOf(key));

/** A public key as it is, a private one with its public half behind it. */
const rawOf = onceFor((key: KeyObject): Buffer => {
  const { d = "", x = "" } = key.export({ format: "jwk" });
  const halves = Buffer.concat([Buffer.from(d, "base64url"), Buffer.from(x, "base64url")]);
  // Kept between pages that nobody may touch, and out of a swap file; what Node holds of the key is its own.
  const raw: Buffer = sodium.sodium_malloc(halves.length);
  halves.copy(raw);
  halves.fill(0);
  return raw;
});

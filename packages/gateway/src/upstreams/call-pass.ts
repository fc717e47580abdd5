// What opens a service's port: a word under a MAC that only processes of this install can make, good for one connection. All calls
// on the connection are then taken at their word, so that who merely reaches the port speaks for nobody, and a call costs no MAC.

import { createHmac, hkdfSync, randomBytes, timingSafeEqual } from "node:crypto";

export const passHeader = "signalbox-pass";

/** Also what the clocks of two machines may differ by. */
const lifeMs = 60_000;
const form = /^(\d{1,16})\.([\w-]{16,64})\.([\w-]{43})$/;

export type CallPass = {
  make(): string;
  /** False: not made by this install, too long ago, or shown before. */
  accept(pass: string | undefined): boolean;
};

export function createCallPass(secret: Buffer, now: () => number = Date.now): CallPass {
  const key = Buffer.from(hkdfSync("sha256", secret, "", "calls between processes", 32));
  const shown = new Map<string, number>();
  const mac = (signed: string) => createHmac("sha256", key).update(signed).digest("base64url");
  return {
    make() {
      const signed = `${now() + lifeMs}.${randomBytes(16).toString("base64url")}`;
      return `${signed}.${mac(signed)}`;
    },
    accept(pass) {
      const [, until = "", nonce = "", given = ""] = form.exec(pass ?? "") ?? [];
      if (given === "" || !timingSafeEqual(Buffer.from(given), Buffer.from(mac(`${until}.${nonce}`))))
        return false;
      const nowMs = now();
      if (Number(until) < nowMs - lifeMs || Number(until) > nowMs + 2 * lifeMs) return false;
      for (const [known, end] of shown) if (end < nowMs - lifeMs) shown.delete(known);
      if (shown.has(nonce)) return false;
      shown.set(nonce, Number(until));
      return true;
    },
  };
}

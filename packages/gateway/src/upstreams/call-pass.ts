// What a service lets in: the context of one call, under a MAC that only processes of this install can make. Whoever merely
// reaches the port can speak for nobody, and what he overheard is worth a minute of the same call.

import { createHmac, createSecretKey, hkdfSync, timingSafeEqual } from "node:crypto";

export const passHeader = "signalbox-context";

/** Also what the clocks of two machines may differ by. */
const lifeMs = 60_000;
const beyondAscii = /[^\x20-\x7e]/g;

/** JSON that may stand in a header. */
export const asciiJson = (value: object): string =>
  JSON.stringify(value).replace(
    beyondAscii,
    (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );

export type CallPass = {
  /** As a header's value: plain ASCII. */
  close(name: string, context: object): string;
  /** Undefined: not made here, for another call, or too long ago. */
  open(name: string, header: string | undefined): unknown;
};

export function createCallPass(secret: Buffer, now: () => number = Date.now): CallPass {
  // A key object: from a plain buffer each MAC would take several times as long.
  const key = createSecretKey(Buffer.from(hkdfSync("sha256", secret, "", "call between processes", 32)));
  const mac = (name: string, signed: string) =>
    createHmac("sha256", key).update(`${name}\n${signed}`).digest("base64url");
  return {
    close(name, context) {
      const signed = `${now() + lifeMs}.${asciiJson(context)}`;
      return `${mac(name, signed)}.${signed}`;
    },
    open(name, header) {
      if (header === undefined) return undefined;
      const [end, after] = [header.indexOf("."), header.indexOf(".", header.indexOf(".") + 1)];
      if (end < 0 || after < 0) return undefined;
      const given = Buffer.from(header.slice(0, end));
      const signed = header.slice(end + 1);
      const made = Buffer.from(mac(name, signed));
      if (given.length !== made.length || !timingSafeEqual(given, made)) return undefined;
      const untilMs = Number(header.slice(end + 1, after));
      if (!(Math.abs(untilMs - now()) <= 2 * lifeMs && untilMs > now() - lifeMs)) return undefined;
      return JSON.parse(header.slice(after + 1));
    },
  };
}

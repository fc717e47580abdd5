// The keys of an install: what it can not be read or entered without. In a backup they are sealed under a recovery key, which is
// made once and kept by a person, or under a passphrase.
import { randomBytes, scryptSync } from "node:crypto";
import { readFileSync } from "node:fs";
import { open, seal } from "@signalbox/core/vault";
import { Fault } from "../fault.ts";

/** By the names that a Compose install gives their files. */
export type Keys = Record<string, string>;

const cost = { N: 2 ** 15, r: 8, p: 1, maxmem: 64 * 2 ** 20 };
const saltBytes = 16;
const magic = Buffer.from("SBK1");

const shortest = 12;

function requireGoodPassphrase(passphrase: string, from: string): void {
  if (passphrase.length < shortest)
    throw new Fault(
      `The passphrase in ${from} has fewer than ${shortest} characters.`,
      "Write a longer one: it is all that stands between a stolen backup and the keys.",
    );
}

/** Keys come back only with the manifest that they were sealed with. */
export function sealKeys(keys: Keys, passphrase: string, manifestDigest: string): Buffer {
  const salt = randomBytes(saltBytes);
  const sealed = seal(
    scryptSync(passphrase, salt, 32, cost),
    `backup ${manifestDigest}`,
    JSON.stringify(keys),
  );
  return Buffer.concat([magic, salt, sealed]);
}

export function openKeys(sealed: Buffer, passphrase: string, manifestDigest: string): Keys {
  const salt = sealed.subarray(magic.length, magic.length + saltBytes);
  try {
    const key = scryptSync(passphrase, salt, 32, cost);
    const text = open(key, `backup ${manifestDigest}`, sealed.subarray(magic.length + saltBytes));
    return JSON.parse(text.toString("utf8")) as Keys;
  } catch {
    throw new Fault(
      "This recovery key or passphrase does not open the keys of this backup.",
      "Use the one that was valid when it was taken: --passphrase-file FILE; nothing was changed.",
    );
  }
}

export function readPassphrase(path: string): string {
  try {
    const text = readFileSync(path, "utf8").replace(/\r?\n$/, "");
    requireGoodPassphrase(text, path);
    return text;
  } catch (error) {
    if (error instanceof Fault) throw error;
    throw new Fault(
      `The recovery key ${path} can not be read: ${(error as NodeJS.ErrnoException).code}.`,
      "Name the file that holds it: --passphrase-file FILE",
    );
  }
}

// Where the log stood, kept outside of its table: whoever can write the table, and every hash in it anew, can not sign these.

import { appendFile, mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Head } from "./chain.ts";
import { deriveKey, isMac, mac } from "./keys.ts";

export const headsPath = (dataDir: string) => join(dataDir, "control", "heads");

export function createHeads(dataDir: string, secret: string | Buffer) {
  const key = deriveKey(secret, "control-heads");
  const path = headsPath(dataDir);
  let last = "";
  let writing = Promise.resolve();

  return {
    /** One line a head; several processes of a machine may write the same one. Never fails: a full disk stops no switch. */
    keep({ revision, hash }: Head, onFault: (error: unknown) => void): void {
      const text = `${revision} ${hash}`;
      if (revision === 0 || text === last) return;
      last = text;
      const line = `${text} ${mac(key, text).toString("base64url")}\n`;
      writing = writing
        .then(async () => {
          await mkdir(join(dataDir, "control"), { recursive: true, mode: 0o700 });
          await appendFile(path, line, { mode: 0o600 });
        })
        .catch(onFault);
    },

    /** Of each revision the head that was seen first. A line that is not ours says nothing. */
    async read(): Promise<Head[]> {
      await writing;
      const text = await readFile(path, "utf8").catch(() => "");
      const heads = new Map<number, string>();
      for (const line of text.split("\n")) {
        const [revision = "", hash = "", given = ""] = line.split(" ");
        if (!isMac(key, `${revision} ${hash}`, given) || heads.has(Number(revision))) continue;
        heads.set(Number(revision), hash);
      }
      return [...heads].map(([revision, hash]) => ({ revision, hash }));
    },
  };
}

// A document on its way through Redis or kept on disk, signed: whoever can write there still cannot switch anything.

import { z } from "zod";
import { bare } from "./bare.ts";
import type { Head } from "./chain.ts";
import type { Document } from "./fold.ts";
import { deriveKey, isMac, mac } from "./keys.ts";
import { type PendingAct, pendingAct } from "./pending.ts";

export type Sealed = {
  head: Head;
  document: Document;
  at: number;
  /** Acts on top of it that the log does not have yet. */
  pending?: PendingAct[];
};

const envelope = z.object({ payload: z.string(), mac: z.string() });
const section = z.record(z.string(), z.unknown()).transform(bare);
const content = z.object({
  head: z.object({ revision: z.number().int().min(0), hash: z.string() }),
  // What a later release keeps besides sections stays as it is.
  document: z.object({ switches: section, limits: section }).catchall(section.or(z.unknown())),
  at: z.number(),
  pending: z.array(pendingAct).default([]),
});

export function createSeal(secret: string | Buffer) {
  const key = deriveKey(secret, "control-snapshot");
  return {
    close({ head, document, at, pending = [] }: Sealed): string {
      const payload = JSON.stringify({ head, document, at, pending });
      return JSON.stringify({ payload, mac: mac(key, payload).toString("base64url") });
    },
    /** Throws where it was not sealed with this install's secret, or was changed since. */
    open(text: string): Sealed {
      const { payload, mac: given } = envelope.parse(JSON.parse(text));
      if (!isMac(key, payload, given)) throw new Error("it is not signed with this install's secret");
      return content.parse(JSON.parse(payload)) as Sealed;
    },
  };
}

export type Seal = ReturnType<typeof createSeal>;

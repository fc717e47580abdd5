// Why an edited row shows: each event carries the hash of itself and of the one before it.

import { createHash } from "node:crypto";
import type { ControlEvent } from "./fold.ts";

export const firstHash = "0".repeat(64);

export type Head = { revision: number; hash: string };
export const emptyHead: Head = { revision: 0, hash: firstHash };

/** JSON with the keys of every object in order, so that a row hashes the same after a round trip through jsonb. */
export function canonicalJson(value: unknown): string {
  if (value === null || typeof value !== "object") return JSON.stringify(value) ?? "null";
  if (value instanceof Date) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  const entries = Object.entries(value).filter(([, inner]) => inner !== undefined);
  entries.sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([key, inner]) => `${JSON.stringify(key)}:${canonicalJson(inner)}`).join(",")}}`;
}

export function hashEvent(event: Omit<ControlEvent, "hash">): string {
  const { revision, id, at, actor, kind, key, before, after, reason, incident } = event;
  const { expiresAt, requestId, previousHash } = event;
  return createHash("sha256")
    .update(
      canonicalJson({
        revision,
        id,
        at: at.toISOString(),
        actor,
        kind,
        key,
        before: before ?? null,
        after: after ?? null,
        reason,
        // Absent where there is none: what was written before there were incidents hashes as it did.
        incident: incident ?? undefined,
        expiresAt: expiresAt?.toISOString() ?? null,
        requestId,
        previousHash,
      }),
    )
    .digest("hex");
}

export type Verdict = {
  ok: boolean;
  checked: number;
  head: Head;
  fault: { revision: number; why: string } | null;
};

export type Verifier = { check(event: ControlEvent): boolean; verdict(): Verdict };

/** Reads the log from its first event; heads seen elsewhere (`known`) must be in it, or its tail was written anew. */
export function createVerifier(known: Head[] = []): Verifier {
  let head = emptyHead;
  let checked = 0;
  let fault: Verdict["fault"] = null;
  const wanted = new Map(known.filter(({ revision }) => revision > 0).map((at) => [at.revision, at.hash]));

  const find = (event: ControlEvent): string | undefined => {
    if (event.revision !== head.revision + 1)
      return `event ${head.revision + 1} is missing: ${event.revision} follows ${head.revision}`;
    if (event.previousHash !== head.hash) return "it does not follow from the event before it";
    if (hashEvent(event) !== event.hash) return "its content is not what was hashed when it was written";
    const outside = wanted.get(event.revision);
    if (outside !== undefined && outside !== event.hash)
      return "a copy of its hash kept outside the log is another one: from here on the log was written anew";
    return undefined;
  };

  return {
    check(event) {
      if (fault) return false;
      const why = find(event);
      if (why !== undefined) {
        fault = { revision: event.revision, why };
        return false;
      }
      head = { revision: event.revision, hash: event.hash };
      checked += 1;
      return true;
    },
    verdict() {
      const beyond = [...wanted.keys()]
        .filter((revision) => revision > head.revision)
        .sort((a, b) => a - b)[0];
      const cut =
        fault === null && beyond !== undefined
          ? {
              revision: beyond,
              why: `the log ends at ${head.revision}, but event ${beyond} was seen outside it`,
            }
          : fault;
      return { ok: cut === null, checked, head, fault: cut };
    },
  };
}

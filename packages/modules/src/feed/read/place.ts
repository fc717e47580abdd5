// Where a reader is in a list, as its cursor says. Ids are times, made by several hosts and committed in another order than they
// were made: one may come in above a place that was already passed. So of the last seconds before a page was read the cursor
// keeps which posts were given, and the next page begins with what came in there since.

import { idFloor, idTime } from "@signalbox/core/ids";
import { foreignCursor, sealCursor, unsealCursor } from "../../page.ts";

/** What clocks differ by and a transaction takes, generously. */
const overlapMs = 5_000;
/** A page after so many fresh posts looks back less far, rather than carry a longer cursor. */
const maxSeen = 512;

export type Place = {
  /** Everything below it is still to come. */
  last: string;
  /** Above it: what is from this stretch of time and was not given yet is to come as well. */
  late?: { sinceMs: number; untilMs: number; seen: Set<string> } | undefined;
};

/** From where down a page is looked for; what `isNew` says no to was given before. */
export const startOf = (place: Place | undefined): string | undefined => {
  if (!place?.late) return place?.last;
  const top = idFloor(new Date(place.late.untilMs + 1));
  return top > place.last ? top : place.last;
};

export function isNew(place: Place | undefined, id: string): boolean {
  if (!place || id < place.last) return true;
  if (!place.late || id === place.last) return false;
  return idTime(id).getTime() >= place.late.sinceMs && !place.late.seen.has(tailOf(id));
}

/** The place after a page that was read at an instant. */
export function placeAfter(before: Place | undefined, given: string[], readAtMs: number): Place {
  const lowest = given.at(-1)!;
  const last = before && before.last < lowest ? before.last : lowest;
  const untilMs = before ? before.late?.untilMs : readAtMs;
  let sinceMs = Math.max(readAtMs - overlapMs, before?.late?.sinceMs ?? 0);
  if (untilMs === undefined || untilMs < sinceMs) return { last };
  const seen = new Set(before?.late?.seen);
  for (const id of given) {
    const madeMs = idTime(id).getTime();
    if (madeMs < sinceMs) break;
    if (seen.size >= maxSeen) {
      sinceMs = madeMs + 1;
      break;
    }
    seen.add(tailOf(id));
  }
  return untilMs < sinceMs ? { last } : { last, late: { sinceMs, untilMs, seen } };
}

/** Random in every id, so four bytes of it tell posts of a few seconds apart. */
const tailOf = (id: string) => id.slice(-8);

export function sealPlace(list: string, { last, late }: Place): string {
  if (!late) return sealCursor(list, last);
  return `${sealCursor(list, `${last}.${late.sinceMs}.${late.untilMs}`)}.${sealTails(late.seen)}`;
}

const sealTails = (seen: Set<string>) => Buffer.from([...seen].join(""), "hex").toString("base64url");

const form = /^([0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12})(?:\.(\d{1,14})\.(\d{1,14}))?$/;

export function openPlace(list: string, cursor: string | undefined): Place | undefined {
  if (cursor === undefined) return undefined;
  const [head = "", tails, ...more] = cursor.split(".");
  const [, last, since, until] = form.exec(unsealCursor(list, head)) ?? [];
  if (last === undefined || more.length > 0 || (since === undefined) !== (tails === undefined))
    throw foreignCursor();
  if (tails === undefined) return { last };
  const seen = new Set(Buffer.from(tails, "base64url").toString("hex").match(/.{8}/g));
  const late = { sinceMs: Number(since), untilMs: Number(until), seen };
  if (late.untilMs - late.sinceMs > 2 * overlapMs || sealTails(seen) !== tails) throw foreignCursor();
  return { last, late };
}

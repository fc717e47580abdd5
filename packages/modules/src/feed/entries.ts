// What a home timeline holds, as bytes: ids of 16 bytes one after the other, newest first. The last one is its floor: every post
// above it is in the list.

import { AppError } from "@signalbox/core/errors";

export const idBytes = 16;
/** The floor of a list that reaches back to the beginning. */
export const beginning = Buffer.alloc(idBytes);

export type Timeline = {
  /** Newest first, each once, from below a place on. */
  below(place: string | undefined, size: number): string[];
  /** Whether the list would hold this post. */
  holds(id: string): boolean;
  /** There is nothing below the list. */
  isWhole: boolean;
};

export function openTimeline(bytes: Buffer): Timeline {
  const end = bytes.length - idBytes;
  const floor = bytes.subarray(end);
  const entries = isDescending(bytes) ? bytes.subarray(0, end) : descending(bytes, floor);
  return {
    below(place, size) {
      const from = place === undefined ? 0 : firstBelow(entries, encodeId(place));
      return decodeIds(entries.subarray(from, from + size * idBytes));
    },
    holds: (id) => encodeId(id).compare(floor) > 0,
    isWhole: floor.equals(beginning),
  };
}

export const encodeId = (id: string): Buffer => Buffer.from(id.replaceAll("-", ""), "hex");

export function decodeIds(bytes: Buffer): string[] {
  if (bytes.length % idBytes !== 0) throw new AppError("internal", "a timeline's entry is not an id");
  const ids: string[] = [];
  for (let at = 0; at < bytes.length; at += idBytes) ids.push(decodeId(bytes, at));
  return ids;
}

export const split = (bytes: Buffer): Buffer[] =>
  Array.from({ length: bytes.length / idBytes }, (_, n) => bytes.subarray(n * idBytes, (n + 1) * idBytes));

// A page decodes dozens of them: digit by digit into one text is several times as fast as putting five parts of hex together.
const digits = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));
const high = Uint8Array.from(digits, (two) => two.charCodeAt(0));
const low = Uint8Array.from(digits, (two) => two.charCodeAt(1));
const text = Buffer.alloc(36, "-");
const places = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];

function decodeId(bytes: Buffer, at: number): string {
  for (let n = 0; n < idBytes; n += 1) {
    const byte = bytes[at + n]!;
    const place = places[n]!;
    text[place] = high[byte]!;
    text[place + 1] = low[byte]!;
  }
  return text.toString("latin1");
}

/** Nearly always: only what arrived late or twice is out of order. */
function isDescending(bytes: Buffer): boolean {
  for (let at = idBytes; at < bytes.length; at += idBytes)
    if (compareAt(bytes, at - idBytes, bytes, at) <= 0) return false;
  return true;
}

function descending(bytes: Buffer, floor: Buffer): Buffer {
  const entries = split(bytes)
    .filter((entry) => entry.compare(floor) > 0)
    .sort((a, b) => b.compare(a));
  return Buffer.concat(entries.filter((entry, at) => at === 0 || !entry.equals(entries[at - 1]!)));
}

/** Where the entries below a place begin. */
function firstBelow(bytes: Buffer, place: Buffer): number {
  let [low, high] = [0, bytes.length / idBytes];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compareAt(bytes, middle * idBytes, place, 0) < 0) high = middle;
    else low = middle + 1;
  }
  return low * idBytes;
}

function compareAt(a: Buffer, at: number, b: Buffer, bAt: number): number {
  for (let n = 0; n < idBytes; n += 1) {
    const difference = a[at + n]! - b[bAt + n]!;
    if (difference !== 0) return difference;
  }
  return 0;
}

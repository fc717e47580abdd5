// What a home timeline holds: ids of 16 bytes, newest first. The last one is its floor: every post above it is in the list.

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

/** Takes the entries for its own. */
export function openTimeline(entries: Buffer[]): Timeline {
  const floor = entries.at(-1)!;
  order(entries);
  entries.length = firstNotAbove(entries, floor, entries.length);
  return {
    below(place, size) {
      const from = place === undefined ? 0 : firstBelow(entries, encodeId(place));
      return entries.slice(from, from + size).map(decodeId);
    },
    holds: (id) => compare(encodeId(id), floor) > 0,
    isWhole: compare(floor, beginning) === 0,
  };
}

export const encodeId = (id: string): Buffer => Buffer.from(id.replaceAll("-", ""), "hex");

// A page decodes dozens of them: digit by digit into one text is several times as fast as putting five parts of hex together.
const digits = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));
const high = Uint8Array.from(digits, (two) => two.charCodeAt(0));
const low = Uint8Array.from(digits, (two) => two.charCodeAt(1));
const text = Buffer.alloc(36, "-");
const places = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];

export function decodeId(entry: Buffer): string {
  for (let n = 0; n < idBytes; n += 1) {
    const byte = entry[n]!;
    const place = places[n]!;
    text[place] = high[byte]!;
    text[place + 1] = low[byte]!;
  }
  return text.toString("latin1");
}

/** Newest first and each once, in place: what arrived late or twice lies a few entries from where it belongs. */
function order(entries: Buffer[]): void {
  let end = 1;
  for (let at = 1; at < entries.length; at += 1) {
    const entry = entries[at]!;
    const difference = compare(entries[end - 1]!, entry);
    if (difference === 0) continue;
    let to = end;
    if (difference < 0) {
      to = firstNotAbove(entries, entry, end);
      if (compare(entries[to]!, entry) === 0) continue;
      entries.copyWithin(to + 1, to, end);
    }
    entries[to] = entry;
    end += 1;
  }
  entries.length = end;
}

/** Of the first so many, the first that is not above this one. */
function firstNotAbove(entries: Buffer[], entry: Buffer, end: number): number {
  let [low, high] = [0, end];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compare(entries[middle]!, entry) <= 0) high = middle;
    else low = middle + 1;
  }
  return low;
}

function firstBelow(entries: Buffer[], place: Buffer): number {
  const at = firstNotAbove(entries, place, entries.length);
  return at < entries.length && compare(entries[at]!, place) === 0 ? at + 1 : at;
}

/** Byte by byte: a call of Buffer's costs more than the few bytes that differ early. */
function compare(a: Buffer, b: Buffer): number {
  for (let n = 0; n < idBytes; n += 1) {
    const difference = a[n]! - b[n]!;
    if (difference !== 0) return difference;
  }
  return 0;
}

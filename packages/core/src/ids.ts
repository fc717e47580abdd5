// UUIDv7: time-ordered, so a primary key is also a cursor, and made by the process itself, so no write waits for one.

import { randomBytes } from "node:crypto";

/** Made into text once for many ids. */
let entropy = "";
let used = 0;
let lastMs = 0;
let counter = 0;
let stamp = "";

const digitsOfOne = 19;
/** The version and the counter, and the dash behind them. */
const counters = Array.from({ length: 0x1000 }, (_, n) => `7${n.toString(16).padStart(3, "0")}-`);
const variants = "89ab";

/** Ids of one process only ever grow, also within a millisecond. */
export function newId(nowMs = Date.now()): string {
  if (used + digitsOfOne > entropy.length) {
    entropy = randomBytes(4_096).toString("hex");
    used = 0;
  }
  const at = used;
  used += digitsOfOne;
  if (nowMs > lastMs) {
    // Half of the counter's range stays free, so that it cannot run over within its millisecond.
    counter = Number.parseInt(entropy.slice(at, at + 3), 16) & 0x7ff;
    beginMs(nowMs);
  } else if (++counter > 0xfff) {
    counter = 0;
    beginMs(lastMs + 1);
  }
  const variant = variants[Number.parseInt(entropy[at + 3]!, 16) & 3];
  return `${stamp}${counters[counter]}${variant}${entropy.slice(at + 4, at + 7)}-${entropy.slice(at + 7, at + 19)}`;
}

/** What all ids of one millisecond begin with. */
function beginMs(ms: number): void {
  lastMs = ms;
  const text = ms.toString(16).padStart(12, "0");
  stamp = `${text.slice(0, 8)}-${text.slice(8)}-`;
}

export const idTime = (id: string): Date => new Date(Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16));

/** The smallest id that a row made at this instant could have: turns an instant into a key range. */
export function idFloor(at: Date): string {
  const stamp = at.getTime().toString(16).padStart(12, "0");
  return `${stamp.slice(0, 8)}-${stamp.slice(8)}-7000-8000-000000000000`;
}

// UUIDv7: time-ordered, so a primary key is also a cursor, and made by the process itself, so no write waits for one.

import { randomFillSync } from "node:crypto";

const pool = Buffer.alloc(4096);
let used = pool.length;
let lastMs = 0;
let counter = 0;
let stamp = "";

const hex = Array.from({ length: 256 }, (_, n) => n.toString(16).padStart(2, "0"));

/** Ids of one process only ever grow, also within a millisecond. */
export function newId(nowMs = Date.now()): string {
  if (used + 10 > pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  const at = used;
  used += 10;
  if (nowMs > lastMs) {
    // Half of the counter's range stays free, so that it cannot run over within its millisecond.
    counter = ((pool[at]! << 8) | pool[at + 1]!) & 0x7ff;
    beginMs(nowMs);
  } else if (++counter > 0xfff) {
    counter = 0;
    beginMs(lastMs + 1);
  }
  const b = (n: number) => hex[pool[at + n]!]!;
  return (
    `${stamp}${hex[0x70 | (counter >>> 8)]}${hex[counter & 0xff]}-${hex[0x80 | (pool[at + 2]! & 0x3f)]}${b(3)}-` +
    `${b(4)}${b(5)}${b(6)}${b(7)}${b(8)}${b(9)}`
  );
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

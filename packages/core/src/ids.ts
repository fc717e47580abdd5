// UUIDv7: time-ordered, so a primary key is also a cursor, and made by the process itself, so no write waits for one.

import { randomFillSync } from "node:crypto";

const pool = Buffer.alloc(4096);
let used = pool.length;
let lastMs = 0;
let counter = 0;

const hex = Array.from({ length: 256 }, (_, n) => n.toString(16).padStart(2, "0"));

/** Ids of one process only ever grow, also within a millisecond. */
export function newId(nowMs = Date.now()): string {
  if (used + 10 > pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  const random = pool.subarray(used, used + 10);
  used += 10;
  if (nowMs > lastMs) {
    lastMs = nowMs;
    // Half of the counter's range stays free, so that it cannot run over within its millisecond.
    counter = ((random[0]! << 8) | random[1]!) & 0x7ff;
  } else if (++counter > 0xfff) {
    lastMs += 1;
    counter = 0;
  }
  const b = (n: number) => hex[n & 0xff]!;
  const high = Math.floor(lastMs / 0x10000);
  const low = lastMs & 0xffff;
  return (
    `${b(high >>> 24)}${b(high >>> 16)}${b(high >>> 8)}${b(high)}-${b(low >>> 8)}${b(low)}-` +
    `${b(0x70 | (counter >>> 8))}${b(counter)}-${b(0x80 | (random[2]! & 0x3f))}${b(random[3]!)}-` +
    `${b(random[4]!)}${b(random[5]!)}${b(random[6]!)}${b(random[7]!)}${b(random[8]!)}${b(random[9]!)}`
  );
}

export const idTime = (id: string): Date => new Date(Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16));

/** The smallest id that a row made at this instant could have: turns an instant into a key range. */
export function idFloor(at: Date): string {
  const stamp = at.getTime().toString(16).padStart(12, "0");
  return `${stamp.slice(0, 8)}-${stamp.slice(8)}-7000-8000-000000000000`;
}

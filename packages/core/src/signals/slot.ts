// What one process counted in one span of time, cell by cell, and the form in which it is stored.

import type { InstanceSaturation } from "./saturation.ts";
import { mergeSketch, newSketch, packSketch } from "./sketch.ts";

export type Track = "stable" | "canary";

export type ErrorSignature = {
  code: string;
  endpoint: string;
  message: string;
  count: number;
  requestId: string;
};

const signaturesKept = 20;

export class Cell {
  readonly endpoint: string;
  readonly service: string;
  readonly track: Track;
  requests = 0;
  errors = 0;
  refused = 0;
  sumMs = 0;
  readonly sketch = newSketch();

  constructor(endpoint: string, service: string, track: Track) {
    this.endpoint = endpoint;
    this.service = service;
    this.track = track;
  }

  add(other: Cell): void {
    this.requests += other.requests;
    this.errors += other.errors;
    this.refused += other.refused;
    this.sumMs += other.sumMs;
    mergeSketch(this.sketch, other.sketch);
  }
}

/** What one process counted in one span of time. */
export class Slot {
  readonly start: number;
  readonly cells: Record<Track, Map<string, Cell>> = { stable: new Map(), canary: new Map() };
  readonly signatures = new Map<string, ErrorSignature>();
  /** By side and id of a canary; and what modules count for themselves, by track and name. */
  readonly arms = new Map<string, Cell>();
  readonly counters = new Map<string, { track: Track; name: string; count: number }>();
  /** The last word of its span. */
  saturation: InstanceSaturation | null = null;
  dirty = false;

  constructor(start: number) {
    this.start = start;
  }

  cell(endpoint: string, service: string, track: Track): Cell {
    const cells = this.cells[track];
    let cell = cells.get(endpoint);
    if (cell === undefined) {
      cell = new Cell(endpoint, service, track);
      cells.set(endpoint, cell);
    }
    return cell;
  }

  arm(canary: string, side: Track): Cell {
    const key = `${side} ${canary}`;
    let cell = this.arms.get(key);
    if (cell === undefined) {
      cell = new Cell(canary, "", side);
      this.arms.set(key, cell);
    }
    return cell;
  }

  count(name: string, track: Track, by: number): void {
    const key = `${track} ${name}`;
    const counter = this.counters.get(key);
    if (counter) counter.count += by;
    else this.counters.set(key, { track, name, count: by });
  }

  addSignature(signature: ErrorSignature): void {
    const key = `${signature.code} ${signature.endpoint} ${signature.message}`;
    const known = this.signatures.get(key);
    if (known) {
      known.count += signature.count;
      known.requestId = signature.requestId;
    } else if (this.signatures.size < signaturesKept) this.signatures.set(key, { ...signature });
  }

  add(other: Slot): void {
    for (const track of ["stable", "canary"] as const)
      for (const cell of other.cells[track].values()) this.cell(cell.endpoint, cell.service, track).add(cell);
    for (const signature of other.signatures.values()) this.addSignature(signature);
    this.saturation = other.saturation ?? this.saturation;
    this.dirty = true;
  }

  pack(version: string): PackedSlot {
    return {
      v: version,
      c: (["stable", "canary"] as const).flatMap((track) => [...this.cells[track].values()].map(packCell)),
      e: [...this.signatures.values()],
      u: this.saturation,
    };
  }

  /** What a judge of canaries needs of it, apart from the rest: it reads every slot. */
  packArms({ version, role = "all", track = "stable" }: Speaker): PackedArms {
    return {
      v: version,
      r: role,
      t: track,
      a: [...this.arms.values()].map(packCell),
      n: [...this.counters.values()].map(({ track, name, count }) => [track, name, count]),
      u: this.saturation,
    };
  }
}

const packCell = ({ endpoint, service, track, requests, errors, refused, sketch }: Cell): PackedCell => [
  endpoint,
  service,
  track,
  requests,
  errors,
  refused,
  packSketch(sketch),
];

export type PackedCell = [
  endpoint: string,
  service: string,
  track: Track,
  requests: number,
  errors: number,
  refused: number,
  sketch: number[],
];
/** Who counts. Without a role: a process that does everything. */
export type Speaker = { version: string; role?: string; track?: Track };

export type PackedArms = {
  v: string;
  r: string;
  t: Track;
  a: PackedCell[];
  n: [track: Track, name: string, count: number][];
  u: InstanceSaturation | null;
};
export type PackedSlot = { v: string; c: PackedCell[]; e: ErrorSignature[]; u: InstanceSaturation | null };

/** The same failure of two users is one signature: what differs between them is taken out. */
export const templateOf = (message: string): string =>
  message
    .replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/gi, "<id>")
    .replace(/"[^"]*"|'[^']*'/g, "<text>")
    .replace(/\d+/g, "<n>")
    .slice(0, 200);

export const parseSlots = (hash: Record<string, string>): PackedSlot[] =>
  Object.values(hash).map((text) => JSON.parse(text) as PackedSlot);

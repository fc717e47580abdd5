// What the platform sees of itself: exact counts and latencies per endpoint in slots of five seconds. Each process counts for itself
// and writes the whole content of its slot to Redis every second, so that a repeated or lost write changes nothing.

import { monitorEventLoopDelay } from "node:perf_hooks";
import type { Logger } from "./log.ts";
import type { Redis } from "./redis.ts";
import {
  addToSketch,
  mergePacked,
  mergeSketch,
  newSketch,
  packSketch,
  quantiles,
  type Sketch,
} from "./sketch.ts";

export type Outcome = "ok" | "error" | "refused";
export type Track = "stable" | "canary";
export type GoldenWindow = "30s" | "5m" | "1h";
export type GoldenBy = "endpoint" | "service" | "version" | "track";
export type PoolUse = { size: number; inUse: number; waiting: number };

export type GoldenItem = {
  key: string;
  rps: number;
  requests: number;
  errors: number;
  errorRate: number;
  refused: number;
  p50: number | null;
  p95: number | null;
  p99: number | null;
};

export type InstanceSaturation = {
  instance: string;
  name: string;
  cpu: number;
  eventLoopDelayMs: number;
  memoryBytes: number;
  heapBytes: number;
  inFlight: number;
  pool: PoolUse | null;
};

export type ErrorSignature = {
  code: string;
  endpoint: string;
  message: string;
  count: number;
  requestId: string;
};

export type Golden = {
  at: string;
  window: GoldenWindow;
  by: GoldenBy;
  seconds: number;
  partial: boolean;
  items: GoldenItem[];
  saturation: {
    cpu: number;
    eventLoopDelayMs: number;
    memoryBytes: number;
    inFlight: number;
    instances: InstanceSaturation[];
  };
  errorSignatures: ErrorSignature[];
};

/** Since this process began, for counters that only grow. */
/** One moment of the past: what was counted in its span, and how full the instances were. */
export type CoursePoint = Omit<GoldenItem, "key"> & { at: string; instances: InstanceSaturation[] };

export type Total = {
  endpoint: string;
  service: string;
  track: Track;
  requests: number;
  errors: number;
  refused: number;
  sumMs: number;
  sketch: Sketch;
};

export type Signals = {
  /** One call. Refusals are counted, but not among the latencies: they would make an overloaded service look fast. */
  record(endpoint: string, service: string, track: Track, durationMs: number, outcome: Outcome): void;
  recordError(endpoint: string, code: string, message: string, requestId: string): void;
  enter(): void;
  leave(): void;
  readonly inFlight: number;
  /** Mean delay of the event loop in the last full second. */
  readonly eventLoopDelayMs: number;
  /** Lets a part say how full its pool is. */
  watchPool(read: () => PoolUse): void;
  readGolden(query: { window: GoldenWindow; by: GoldenBy }): Promise<Golden>;
  /** The same figures span by span, oldest first: slots of 5 s, and minutes for an hour. */
  readCourse(query: { window: GoldenWindow }): Promise<CoursePoint[]>;
  saturation(): InstanceSaturation;
  totals(): Total[];
  /** Writes what is not written yet. */
  flush(): Promise<void>;
  start(): void;
  close(): Promise<void>;
};

const slotMs = 5_000;
const minuteMs = 60_000;
const windows = { "30s": 30_000, "5m": 300_000, "1h": 3_600_000 } as const;
const slotLifeSeconds = 15 * 60;
const minuteLifeSeconds = 2 * 60 * 60 + 300;
const signaturesKept = 20;

export const signalKeys = (prefix = "signalbox") => ({
  slot: (start: number) => `${prefix}:sig:{5s}:${start}`,
  minute: (start: number) => `${prefix}:sig:{1m}:${start}`,
  saturation: `${prefix}:sig:{now}:saturation`,
});

class Cell {
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
class Slot {
  readonly start: number;
  readonly cells: Record<Track, Map<string, Cell>> = { stable: new Map(), canary: new Map() };
  readonly signatures = new Map<string, ErrorSignature>();
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
      c: (["stable", "canary"] as const).flatMap((track) =>
        [...this.cells[track].values()].map(
          ({ endpoint, service, requests, errors, refused, sketch }): PackedCell => [
            endpoint,
            service,
            track,
            requests,
            errors,
            refused,
            packSketch(sketch),
          ],
        ),
      ),
      e: [...this.signatures.values()],
      u: this.saturation,
    };
  }
}

type PackedCell = [
  endpoint: string,
  service: string,
  track: Track,
  requests: number,
  errors: number,
  refused: number,
  sketch: number[],
];
type PackedSlot = { v: string; c: PackedCell[]; e: ErrorSignature[]; u: InstanceSaturation | null };

/** The same failure of two users is one signature: what differs between them is taken out. */
const templateOf = (message: string): string =>
  message
    .replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/gi, "<id>")
    .replace(/"[^"]*"|'[^']*'/g, "<text>")
    .replace(/\d+/g, "<n>")
    .slice(0, 200);

export function createSignals(deps: {
  redis: Redis;
  log: Logger;
  instance: { id: string; name: string; version: string };
  prefix?: string;
  now?: () => number;
  flushMs?: number;
}): Signals {
  const { redis, log, instance, now = Date.now, flushMs = 1_000 } = deps;
  const keys = signalKeys(deps.prefix);
  const totals: Record<Track, Map<string, Cell>> = { stable: new Map(), canary: new Map() };
  /** This process's own story: kept for answers without Redis, and written again where a write failed. */
  const slots = new Map<number, Slot>();
  const minutes = new Map<number, Slot>();
  const startOf = (at: number, ms: number) => at - (at % ms);
  let slot = new Slot(startOf(now(), slotMs));
  let slotEnd = slot.start + slotMs;
  let inFlight = 0;
  let readPool: (() => PoolUse) | undefined;
  let timer: NodeJS.Timeout | undefined;
  let away = false;
  slots.set(slot.start, slot);

  const resolutionMs = 20;
  const loop = monitorEventLoopDelay({ resolution: resolutionMs });
  let eventLoopDelayMs = 0;
  let cpu = 0;
  let lastCpu = process.cpuUsage();
  let lastSampleAt = performance.now();

  function turn(at: number): void {
    finish(slot);
    slot = new Slot(startOf(at, slotMs));
    slotEnd = slot.start + slotMs;
    slots.set(slot.start, slot);
    for (const start of slots.keys()) if (start < at - windows["5m"] - 2 * slotMs) slots.delete(start);
    for (const start of minutes.keys()) if (start < at - windows["1h"] - 2 * minuteMs) minutes.delete(start);
  }

  /** A slot that is over joins its minute and the totals. */
  function finish(done: Slot): void {
    const start = startOf(done.start, minuteMs);
    let minute = minutes.get(start);
    if (minute === undefined) {
      minute = new Slot(start);
      minutes.set(start, minute);
    }
    minute.add(done);
    for (const track of ["stable", "canary"] as const) {
      for (const cell of done.cells[track].values()) {
        let total = totals[track].get(cell.endpoint);
        if (total === undefined) {
          total = new Cell(cell.endpoint, cell.service, track);
          totals[track].set(cell.endpoint, total);
        }
        total.add(cell);
      }
    }
  }

  function sample(): void {
    const elapsedMs = performance.now() - lastSampleAt;
    if (elapsedMs < 100) return;
    // The monitor measures how long its own timer took, which is its resolution where nothing is late.
    eventLoopDelayMs = loop.count === 0 ? 0 : Math.max(0, loop.mean / 1e6 - resolutionMs);
    loop.reset();
    const used = process.cpuUsage(lastCpu);
    cpu = (used.user + used.system) / 1_000 / elapsedMs;
    lastCpu = process.cpuUsage();
    lastSampleAt = performance.now();
  }

  const saturation = (): InstanceSaturation => {
    const { rss, heapUsed } = process.memoryUsage();
    return {
      instance: instance.id,
      name: instance.name,
      cpu: round(cpu, 3),
      eventLoopDelayMs: round(eventLoopDelayMs, 2),
      memoryBytes: rss,
      heapBytes: heapUsed,
      inFlight,
      pool: readPool?.() ?? null,
    };
  };

  async function flush(): Promise<void> {
    const at = now();
    if (at >= slotEnd) turn(at);
    slot.saturation = saturation();
    slot.dirty = true;
    if (redis.status !== "ready") return;
    const writes: { target: Slot; key: string; seconds: number }[] = [];
    for (const target of slots.values())
      if (target.dirty) writes.push({ target, key: keys.slot(target.start), seconds: slotLifeSeconds });
    for (const target of minutes.values())
      if (target.dirty) writes.push({ target, key: keys.minute(target.start), seconds: minuteLifeSeconds });
    const said = { at, ...saturation() };
    try {
      const pipeline = redis.pipeline();
      for (const { target, key, seconds } of writes) {
        target.dirty = false;
        pipeline.hset(key, instance.id, JSON.stringify(target.pack(instance.version)));
        pipeline.expire(key, seconds);
      }
      pipeline.hset(keys.saturation, instance.id, JSON.stringify(said));
      const results = await pipeline.exec();
      const failed = results?.find(([error]) => error)?.[0];
      if (failed) throw failed;
      away = false;
    } catch (error) {
      for (const { target } of writes) target.dirty = true;
      if (!away) log.warn({ error }, "signals could not be written; they are kept here and written later");
      away = true;
    }
  }

  /**
   * The spans that make up a window, the running slot included. An hour is made of minutes that are surely over and complete, and
   * of slots from there on.
   */
  function span(window: GoldenWindow, at: number) {
    const from = startOf(at - windows[window], window === "1h" ? minuteMs : slotMs);
    const boundary = window === "1h" ? startOf(at, minuteMs) - minuteMs : from;
    return {
      minutes: startsOf(from, boundary - 1, minuteMs),
      slots: startsOf(boundary, at, slotMs),
      seconds: (at - from) / 1_000,
    };
  }

  async function readShared(asked: ReturnType<typeof span>) {
    const pipeline = redis.pipeline();
    for (const start of asked.minutes) pipeline.hgetall(keys.minute(start));
    for (const start of asked.slots) pipeline.hgetall(keys.slot(start));
    pipeline.hgetall(keys.saturation);
    const results = (await pipeline.exec()) ?? [];
    const failed = results.find(([error]) => error)?.[0];
    if (failed) throw failed;
    const hashes = results.map(([, value]) => value as Record<string, string>);
    const said = hashes.pop() ?? {};
    return { packed: hashes.flatMap(parseSlots), said };
  }

  async function readGolden({ window, by }: { window: GoldenWindow; by: GoldenBy }): Promise<Golden> {
    await flush();
    const at = now();
    const asked = span(window, at);
    const { seconds } = asked;
    let packed: PackedSlot[] | undefined;
    let instances: InstanceSaturation[] = [saturation()];
    if (redis.status === "ready") {
      try {
        const { packed: found, said } = await readShared(asked);
        packed = found;
        const words = Object.values(said).map(
          (text) => JSON.parse(text) as InstanceSaturation & { at: number },
        );
        instances = words
          .filter((word) => word.at > at - 10_000)
          .map(({ at: _at, ...word }) => word)
          .sort((a, b) => (a.instance < b.instance ? -1 : 1));
        const dead = words.filter((word) => word.at < at - minuteMs).map((word) => word.instance);
        if (dead.length > 0) redis.hdel(keys.saturation, ...dead).catch(() => {});
      } catch (error) {
        log.debug({ error }, "signals could not be read; the answer is of this process alone");
        packed = undefined;
      }
    }
    const own = () =>
      [
        ...asked.minutes.flatMap((start) => minutes.get(start) ?? []),
        ...asked.slots.flatMap((start) => slots.get(start) ?? []),
      ].map((one) => one.pack(instance.version));
    return {
      at: new Date(at).toISOString(),
      window,
      by,
      seconds: round(seconds, 3),
      partial: packed === undefined,
      ...merge(packed ?? own(), by, seconds),
      saturation: {
        cpu: round(sum(instances.map((one) => one.cpu)), 3),
        eventLoopDelayMs: Math.max(0, ...instances.map((one) => one.eventLoopDelayMs)),
        memoryBytes: sum(instances.map((one) => one.memoryBytes)),
        inFlight: sum(instances.map((one) => one.inFlight)),
        instances,
      },
    };
  }

  async function readCourse({ window }: { window: GoldenWindow }): Promise<CoursePoint[]> {
    await flush();
    const at = now();
    const [ms, key, own] =
      window === "1h" ? ([minuteMs, keys.minute, minutes] as const) : ([slotMs, keys.slot, slots] as const);
    // The running span is left out: half of it would look like a fall.
    const starts = startsOf(startOf(at - windows[window], ms), startOf(at, ms) - 1, ms);
    let found: PackedSlot[][] | undefined;
    if (redis.status === "ready") {
      const pipeline = redis.pipeline();
      for (const start of starts) pipeline.hgetall(key(start));
      found = await pipeline
        .exec()
        .then((results) => results?.map(([, hash]) => parseSlots(hash as Record<string, string>)))
        .catch(() => undefined);
    }
    const packed =
      found ?? starts.map((start) => [own.get(start)].flatMap((one) => one?.pack(instance.version) ?? []));
    return starts.map((start, index) => {
      const of = packed[index] ?? [];
      const everything = of.map(({ c, ...rest }) => ({
        ...rest,
        c: c.map(([, , ...cell]): PackedCell => ["", "", ...cell]),
      }));
      const { key: _key, ...counts } = merge(everything, "endpoint", ms / 1_000).items[0] ?? nothing;
      return {
        at: new Date(start + ms).toISOString(),
        ...counts,
        instances: of.flatMap(({ u }) => u ?? []),
      };
    });
  }

  return {
    record(endpoint, service, track, durationMs, outcome) {
      const at = now();
      if (at >= slotEnd) turn(at);
      const cell = slot.cell(endpoint, service, track);
      cell.requests += 1;
      slot.dirty = true;
      if (outcome === "refused") {
        cell.refused += 1;
        return;
      }
      if (outcome === "error") cell.errors += 1;
      cell.sumMs += durationMs;
      addToSketch(cell.sketch, durationMs);
    },
    recordError(endpoint, code, message, requestId) {
      slot.addSignature({ code, endpoint, message: templateOf(message), count: 1, requestId });
      slot.dirty = true;
    },
    enter() {
      inFlight += 1;
    },
    leave() {
      inFlight -= 1;
    },
    get inFlight() {
      return inFlight;
    },
    get eventLoopDelayMs() {
      return eventLoopDelayMs;
    },
    watchPool(read) {
      readPool = read;
    },
    readGolden,
    readCourse,
    saturation,
    totals() {
      const all: Total[] = [];
      for (const track of ["stable", "canary"] as const) {
        for (const endpoint of new Set([...totals[track].keys(), ...slot.cells[track].keys()])) {
          const done = totals[track].get(endpoint);
          const running = slot.cells[track].get(endpoint);
          const total = new Cell(endpoint, (done ?? running)!.service, track);
          if (done) total.add(done);
          if (running) total.add(running);
          all.push(total);
        }
      }
      return all;
    },
    flush,
    start() {
      loop.enable();
      lastCpu = process.cpuUsage();
      lastSampleAt = performance.now();
      timer = setInterval(() => {
        sample();
        void flush();
      }, flushMs);
      timer.unref();
    },
    async close() {
      clearInterval(timer);
      loop.disable();
      // The running slot joins its minute, which nobody else would do for it.
      turn(now());
      await flush();
      if (redis.status === "ready") await redis.hdel(keys.saturation, instance.id).catch(() => {});
    },
  };
}

const nothing: GoldenItem = {
  key: "",
  rps: 0,
  requests: 0,
  errors: 0,
  errorRate: 0,
  refused: 0,
  p50: null,
  p95: null,
  p99: null,
};

const parseSlots = (hash: Record<string, string>): PackedSlot[] =>
  Object.values(hash).map((text) => JSON.parse(text) as PackedSlot);

function startsOf(from: number, to: number, ms: number): number[] {
  const starts: number[] = [];
  for (let start = from; start <= to; start += ms) starts.push(start);
  return starts;
}

function merge(packed: PackedSlot[], by: GoldenBy, seconds: number) {
  const groups = new Map<string, { requests: number; errors: number; refused: number; sketch: Sketch }>();
  const all = new Slot(0);
  for (const { v: version, c: cells, e: signatures } of packed) {
    for (const [endpoint, service, track, requests, errors, refused, sketch] of cells) {
      const key = { endpoint, service, version, track }[by];
      let group = groups.get(key);
      if (group === undefined) {
        group = { requests: 0, errors: 0, refused: 0, sketch: newSketch() };
        groups.set(key, group);
      }
      group.requests += requests;
      group.errors += errors;
      group.refused += refused;
      mergePacked(group.sketch, sketch);
    }
    for (const signature of signatures) all.addSignature(signature);
  }
  const items = [...groups].map(([key, { requests, errors, refused, sketch }]): GoldenItem => {
    const [p50 = null, p95 = null, p99 = null] = quantiles(sketch, [0.5, 0.95, 0.99]).map((value) =>
      value === null ? null : round(value, 3),
    );
    return {
      key,
      rps: round(requests / Math.max(seconds, 0.001), 3),
      requests,
      errors,
      errorRate: requests === 0 ? 0 : errors / requests,
      refused,
      p50,
      p95,
      p99,
    };
  });
  items.sort((a, b) => b.requests - a.requests || (a.key < b.key ? -1 : 1));
  const errorSignatures = [...all.signatures.values()].sort((a, b) => b.count - a.count).slice(0, 10);
  return { items, errorSignatures };
}

const sum = (values: number[]): number => values.reduce((a, b) => a + b, 0);
const round = (value: number, digits: number): number => Number(value.toFixed(digits));

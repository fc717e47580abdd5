// What the platform sees of itself: exact counts and latencies per endpoint in slots of five seconds. Each process counts for itself
// and writes the whole content of its slot to Redis every second, so that a repeated or lost write changes nothing.

import type { Logger } from "../log.ts";
import type { Redis } from "../redis.ts";
import { type ArmSlot, createArmReader } from "./arms.ts";
import { type CoursePoint, createReader, type Golden, type GoldenBy } from "./golden.ts";
import { type InstanceSaturation, type Parts, type PoolUse, watchSaturation } from "./saturation.ts";
import { addToSketch, type Sketch } from "./sketch.ts";
import { Cell, Slot, type Speaker, type Track, templateOf } from "./slot.ts";
import {
  type GoldenWindow,
  minuteLifeSeconds,
  minuteMs,
  signalKeys,
  slotLifeSeconds,
  slotMs,
  startOf,
  windows,
} from "./spans.ts";

export type Outcome = "ok" | "error" | "refused";

/** Since this process began, for counters that only grow. */
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
  /** The same call as one of a canary's two sides. */
  recordArm(canary: string, side: Track, durationMs: number, outcome: Outcome): void;
  /** Something of a module's own that a canary must not have more of. */
  count(name: string, track: Track, by?: number): void;
  recordError(endpoint: string, code: string, message: string, requestId: string): void;
  enter(): void;
  leave(): void;
  readonly inFlight: number;
  /** Mean delay of the event loop in the last full second. */
  readonly eventLoopDelayMs: number;
  /** Lets a part say how full its pool is. */
  watchPool(read: () => PoolUse): void;
  /** Lets the gateway and the breakers say how they are. */
  watchParts(read: () => Parts): void;
  parts(): Parts;
  readGolden(query: { window: GoldenWindow; by: GoldenBy }): Promise<Golden>;
  /** The same figures span by span, oldest first: slots of 5 s, and minutes for an hour. */
  readCourse(query: { window: GoldenWindow }): Promise<CoursePoint[]>;
  /** What canaries did in the slots that begin in between, this one's included; undefined: nobody can tell. */
  readArms(from: number, to: number): Promise<ArmSlot[] | undefined>;
  saturation(): InstanceSaturation;
  totals(): Total[];
  /** Writes what is not written yet. */
  flush(): Promise<void>;
  start(): void;
  close(): Promise<void>;
};

export function createSignals(deps: {
  redis: Redis;
  log: Logger;
  instance: { id: string; name: string } & Speaker;
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
  let slot = new Slot(startOf(now(), slotMs));
  let slotEnd = slot.start + slotMs;
  const saturation = watchSaturation(instance);
  let timer: NodeJS.Timeout | undefined;
  let away = false;
  slots.set(slot.start, slot);

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

  async function flush(): Promise<void> {
    const at = now();
    if (at >= slotEnd) turn(at);
    slot.saturation = saturation.read();
    slot.dirty = true;
    if (redis.status !== "ready") return;
    const writes: { target: Slot; key: string; seconds: number }[] = [];
    for (const target of slots.values())
      if (target.dirty) writes.push({ target, key: keys.slot(target.start), seconds: slotLifeSeconds });
    for (const target of minutes.values())
      if (target.dirty) writes.push({ target, key: keys.minute(target.start), seconds: minuteLifeSeconds });
    const said = { at, ...ownWord() };
    try {
      const pipeline = redis.pipeline();
      for (const { target, key, seconds } of writes) {
        target.dirty = false;
        pipeline.hset(key, instance.id, JSON.stringify(target.pack(instance.version)));
        pipeline.expire(key, seconds);
        if (seconds !== slotLifeSeconds) continue;
        const arms = keys.arms(target.start);
        pipeline.hset(arms, instance.id, JSON.stringify(target.packArms(instance)));
        pipeline.expire(arms, seconds);
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

  function ownWord(): InstanceSaturation {
    const parts = saturation.parts();
    return parts ? { ...saturation.read(), parts } : saturation.read();
  }

  const own = { slots, minutes, saturation: ownWord, flush };
  const { readGolden, readCourse } = createReader({ redis, log, keys, version: instance.version, own, now });

  const readArms = createArmReader({ redis, keys });

  function add(cell: Cell, durationMs: number, outcome: Outcome): void {
    cell.requests += 1;
    slot.dirty = true;
    if (outcome === "refused") {
      cell.refused += 1;
      return;
    }
    if (outcome === "error") cell.errors += 1;
    cell.sumMs += durationMs;
    addToSketch(cell.sketch, durationMs);
  }

  /** The slot of this moment. */
  function running(): Slot {
    const at = now();
    if (at >= slotEnd) turn(at);
    return slot;
  }

  return {
    record(endpoint, service, track, durationMs, outcome) {
      add(running().cell(endpoint, service, track), durationMs, outcome);
    },
    recordArm(canary, side, durationMs, outcome) {
      add(running().arm(canary, side), durationMs, outcome);
    },
    count(name, track, by = 1) {
      running().count(name, track, by);
      slot.dirty = true;
    },
    recordError(endpoint, code, message, requestId) {
      slot.addSignature({ code, endpoint, message: templateOf(message), count: 1, requestId });
      slot.dirty = true;
    },
    enter: saturation.enter,
    leave: saturation.leave,
    get inFlight() {
      return saturation.inFlight;
    },
    get eventLoopDelayMs() {
      return saturation.eventLoopDelayMs;
    },
    watchPool: saturation.watchPool,
    watchParts: saturation.watchParts,
    parts: () => saturation.parts() ?? { lanes: [], dependencies: [] },
    readGolden,
    readCourse,
    async readArms(from, to) {
      await flush();
      return readArms(from, to);
    },
    saturation: saturation.read,
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
      saturation.start();
      timer = setInterval(() => {
        saturation.sample();
        void flush();
      }, flushMs);
      timer.unref();
    },
    async close() {
      clearInterval(timer);
      saturation.close();
      // The running slot joins its minute, which nobody else would do for it.
      turn(now());
      await flush();
      if (redis.status === "ready") await redis.hdel(keys.saturation, instance.id).catch(() => {});
    },
  };
}

// Reads what all instances counted: the golden signals of a window, and their course over time. Without Redis the answer is of
// this process alone, and says so.

import type { Logger } from "../log.ts";
import type { Redis } from "../redis.ts";
import type { InstanceSaturation } from "./saturation.ts";
import { mergePacked, newSketch, quantiles, type Sketch } from "./sketch.ts";
import { type ErrorSignature, type PackedCell, type PackedSlot, parseSlots, Slot } from "./slot.ts";
import {
  type GoldenWindow,
  minuteMs,
  type signalKeys,
  slotMs,
  spanOf,
  startOf,
  startsOf,
  windows,
} from "./spans.ts";

export type GoldenBy = "endpoint" | "service" | "version" | "track";

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

/** One moment of the past: what was counted in its span, and how full the instances were. */
export type CoursePoint = Omit<GoldenItem, "key"> & { at: string; instances: InstanceSaturation[] };

/** What this process knows of itself. */
type Own = {
  slots: Map<number, Slot>;
  minutes: Map<number, Slot>;
  saturation(): InstanceSaturation;
  flush(): Promise<void>;
};

export function createReader(deps: {
  redis: Redis;
  log: Logger;
  keys: ReturnType<typeof signalKeys>;
  version: string;
  own: Own;
  now: () => number;
}) {
  const { redis, log, keys, version, own, now } = deps;

  async function readShared(asked: ReturnType<typeof spanOf>) {
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
    await own.flush();
    const at = now();
    const asked = spanOf(window, at);
    const { seconds } = asked;
    let packed: PackedSlot[] | undefined;
    let instances: InstanceSaturation[] = [own.saturation()];
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
    const counted = () =>
      [
        ...asked.minutes.flatMap((start) => own.minutes.get(start) ?? []),
        ...asked.slots.flatMap((start) => own.slots.get(start) ?? []),
      ].map((one) => one.pack(version));
    return {
      at: new Date(at).toISOString(),
      window,
      by,
      seconds: round(seconds, 3),
      partial: packed === undefined,
      ...merge(packed ?? counted(), by, seconds),
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
    await own.flush();
    const at = now();
    const [ms, key, kept] =
      window === "1h"
        ? ([minuteMs, keys.minute, own.minutes] as const)
        : ([slotMs, keys.slot, own.slots] as const);
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
      found ?? starts.map((start) => [kept.get(start)].flatMap((one) => one?.pack(version) ?? []));
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

  return { readGolden, readCourse };
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

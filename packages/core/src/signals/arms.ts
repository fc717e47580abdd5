// What each canary's two sides did, slot by slot and over all instances. Without Redis nobody can tell, and that is the answer.

import type { Redis } from "../redis.ts";
import type { InstanceSaturation } from "./saturation.ts";
import { mergePacked, newSketch, type Sketch } from "./sketch.ts";
import type { PackedArms, Track } from "./slot.ts";
import { type signalKeys, slotMs, startOf, startsOf } from "./spans.ts";

export type ArmCounts = { requests: number; errors: number; refused: number; sketch: Sketch };

export type ArmSlot = {
  start: number;
  /** By id of the canary; a side nobody met has zeros. */
  canaries: Map<string, Record<Track, ArmCounts>>;
  counters: Map<string, Record<Track, number>>;
  /** Who said anything about this slot. */
  instances: { version: string; role: string; track: Track; saturation: InstanceSaturation | null }[];
};

export function createArmReader({ redis, keys }: { redis: Redis; keys: ReturnType<typeof signalKeys> }) {
  return async (from: number, to: number): Promise<ArmSlot[] | undefined> => {
    if (redis.status !== "ready") return undefined;
    const starts = startsOf(startOf(from, slotMs), to, slotMs);
    try {
      const pipeline = redis.pipeline();
      for (const start of starts) pipeline.hgetall(keys.arms(start));
      const results = (await pipeline.exec()) ?? [];
      if (results.length !== starts.length || results.some(([error]) => error)) return undefined;
      return results.map(([, hash], at) =>
        mergeArms(
          starts[at]!,
          Object.values(hash as Record<string, string>).map((text) => JSON.parse(text) as PackedArms),
        ),
      );
    } catch {
      return undefined;
    }
  };
}

export const noCounts = (): ArmCounts => ({ requests: 0, errors: 0, refused: 0, sketch: newSketch() });

function mergeArms(start: number, words: PackedArms[]): ArmSlot {
  const canaries: ArmSlot["canaries"] = new Map();
  const counters: ArmSlot["counters"] = new Map();
  for (const { a: cells, n: counted } of words) {
    for (const [canary, , side, requests, errors, refused, sketch] of cells) {
      const sides = canaries.get(canary) ?? { stable: noCounts(), canary: noCounts() };
      canaries.set(canary, sides);
      const counts = sides[side];
      counts.requests += requests;
      counts.errors += errors;
      counts.refused += refused;
      mergePacked(counts.sketch, sketch);
    }
    for (const [track, name, count] of counted) {
      const sides = counters.get(name) ?? { stable: 0, canary: 0 };
      counters.set(name, sides);
      sides[track] += count;
    }
  }
  const instances = words.map(({ v, r, t, u }) => ({ version: v, role: r, track: t, saturation: u }));
  return { start, canaries, counters, instances };
}

// How full one process is: processor, event loop, memory, calls under way, pool.

import { monitorEventLoopDelay } from "node:perf_hooks";
import type { DependencyFigures } from "../resilience/dependencies.ts";

/** How much of a service one process has under way, and how much it takes. */
export type LaneFigures = {
  service: string;
  limit: number;
  inFlight: number;
  waiting: number;
  refused: number;
  latencyRatio: number;
  overloaded: boolean;
};

/** What goes in, by service, and what is asked for it, by part. */
export type Parts = { lanes: LaneFigures[]; dependencies: DependencyFigures[] };

export type PoolUse = { size: number; inUse: number; waiting: number };

export type InstanceSaturation = {
  instance: string;
  name: string;
  cpu: number;
  eventLoopDelayMs: number;
  memoryBytes: number;
  heapBytes: number;
  inFlight: number;
  pool: PoolUse | null;
  /** Of this moment only: not kept with the past. */
  parts?: Parts;
};

const resolutionMs = 20;

export function watchSaturation({ id, name }: { id: string; name: string }) {
  const loop = monitorEventLoopDelay({ resolution: resolutionMs });
  let eventLoopDelayMs = 0;
  let cpu = 0;
  let lastCpu = process.cpuUsage();
  let lastSampleAt = performance.now();
  let inFlight = 0;
  let readPool: (() => PoolUse) | undefined;
  let readParts: (() => Parts) | undefined;

  return {
    enter() {
      inFlight += 1;
    },
    leave() {
      inFlight -= 1;
    },
    get inFlight() {
      return inFlight;
    },
    /** Mean delay of the event loop in the last full second. */
    get eventLoopDelayMs() {
      return eventLoopDelayMs;
    },
    watchPool(read: () => PoolUse) {
      readPool = read;
    },
    watchParts(read: () => Parts) {
      readParts = read;
    },
    parts: (): Parts | undefined => readParts?.(),
    start() {
      loop.enable();
      lastCpu = process.cpuUsage();
      lastSampleAt = performance.now();
    },
    sample() {
      const elapsedMs = performance.now() - lastSampleAt;
      if (elapsedMs < 100) return;
      // The monitor measures how long its own timer took, which is its resolution where nothing is late.
      eventLoopDelayMs = loop.count === 0 ? 0 : Math.max(0, loop.mean / 1e6 - resolutionMs);
      loop.reset();
      const used = process.cpuUsage(lastCpu);
      cpu = (used.user + used.system) / 1_000 / elapsedMs;
      lastCpu = process.cpuUsage();
      lastSampleAt = performance.now();
    },
    read(): InstanceSaturation {
      const { rss, heapUsed } = process.memoryUsage();
      return {
        instance: id,
        name,
        cpu: Number(cpu.toFixed(3)),
        eventLoopDelayMs: Number(eventLoopDelayMs.toFixed(2)),
        memoryBytes: rss,
        heapBytes: heapUsed,
        inFlight,
        pool: readPool?.() ?? null,
      };
    },
    close() {
      loop.disable();
    },
  };
}

// The first level: what this process has in memory, and the answers that are on their way there.

import { createGenerations } from "../generations.ts";
import { longestStart } from "./renewal.ts";
import type { Stored } from "./stored.ts";

export type Found<Value> = {
  /** Undefined: the source knows nothing under this id. */
  value: Value | undefined;
  /** No longer fresh, because the source is away or slow. */
  stale: boolean;
  filledAt: number;
};

/**
 * Its times are whole milliseconds since the process began: these lie in the object itself, where those since 1970 would each be an
 * object elsewhere, to be fetched for every read.
 */
export type Held<Value> = {
  /** Of the same value in Redis. */
  key: string;
  stored: Stored<Value>;
  /** What readers are given. */
  found: Found<Value>;
  /** Served from here without asking anyone until then. */
  until: number;
  /** The same while nobody tells this process what changed. */
  untilAlone: number;
  /** From then on it may be time to renew it. */
  dueFrom: number;
};

/** An answer on its way to memory. What was dropped meanwhile does not get there. */
export type Flight = { live: boolean };

export type Memory<Value> = ReturnType<typeof createMemory<Value>>;

const processStart = Date.now();
export const sinceStart = (unixMs: number) => Math.floor(unixMs - processStart);

export const foundOf = <Value>({ value, filledAt }: Stored<Value>, stale = false): Found<Value> => ({
  value,
  stale,
  filledAt,
});

type Keeping = {
  l1Ms: number;
  now: number;
  stale?: boolean;
  atMostMs?: number;
};

export function createMemory<Value>({
  entries,
  aloneMs,
  keyOf,
}: {
  entries: number;
  /** The most that is served from here while no news reach this process. */
  aloneMs: number;
  keyOf(id: string): string;
}) {
  const all = createGenerations<Held<Value>>(entries);
  const flights = new Map<string, Set<Flight>>();

  function takeOff(id: string): Flight {
    const flight = { live: true };
    const others = flights.get(id);
    if (others) others.add(flight);
    else flights.set(id, new Set([flight]));
    return flight;
  }

  function land(id: string, flight: Flight): void {
    const others = flights.get(id);
    others?.delete(flight);
    if (others?.size === 0) flights.delete(id);
  }

  /** What lives for 0 ms is held and never served from here. */
  function lay(held: Held<Value>, lifeMs: number, now: number): Found<Value> {
    const end = held.found.stale ? Number.POSITIVE_INFINITY : held.stored.freshUntil;
    held.until = lifeMs === 0 ? 0 : sinceStart(Math.min(now + lifeMs, end));
    held.untilAlone = Math.min(held.until, sinceStart(now + aloneMs));
    return held.found;
  }

  /** By half: with less, what came at once still ends at once many lives later, and all of it is asked for in one moment. */
  const spread = (lifeMs: number) => lifeMs * (0.5 + Math.random() * 0.5);

  return {
    at: all.get,

    keep(id: string, stored: Stored<Value>, { l1Ms, now, stale = false, atMostMs }: Keeping): Found<Value> {
      const held: Held<Value> = {
        key: keyOf(id),
        stored,
        found: foundOf(stored, stale),
        until: 0,
        untilAlone: 0,
        dueFrom: sinceStart(stored.freshUntil - longestStart(stored)),
      };
      all.set(id, held);
      return lay(held, Math.min(spread(l1Ms), atMostMs ?? Number.POSITIVE_INFINITY), now);
    },

    /** The same once more: what follows from it was made long ago, and need not be made anew. */
    extend(held: Held<Value>, l1Ms: number, now: number): Found<Value> {
      return l1Ms === 0 ? held.found : lay(held, spread(l1Ms), now);
    },

    async inFlight<T>(id: string, work: (flight: Flight) => Promise<T>): Promise<T> {
      const flight = takeOff(id);
      try {
        return await work(flight);
      } finally {
        land(id, flight);
      }
    },

    drop(id: string): void {
      all.delete(id);
      for (const flight of flights.get(id) ?? []) flight.live = false;
    },

    dropAll(): void {
      all.clear();
      for (const flying of flights.values()) for (const flight of flying) flight.live = false;
    },

    get size() {
      return all.size;
    },
  };
}

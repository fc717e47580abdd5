// The first level: values in this process, bounded by count. What was not asked for since the hand last passed goes first.

import type { Stored } from "./stored.ts";

export type Held<Value> = {
  stored: Stored<Value>;
  /** Served from here without asking anyone until then. */
  until: number;
  /** The same while nobody tells this process what changed. */
  untilAlone: number;
  stale: boolean;
  used: boolean;
};

export type Memory<Value> = {
  get(id: string): Held<Value> | undefined;
  put(id: string, held: Held<Value>): void;
  delete(id: string): void;
  clear(): void;
  readonly size: number;
};

export function createMemory<Value>(maxEntries: number): Memory<Value> {
  const entries = new Map<string, Held<Value>>();

  function makeRoom(): void {
    for (const [id, held] of entries) {
      entries.delete(id);
      if (!held.used) return;
      held.used = false;
      entries.set(id, held);
    }
    // All were in use: the hand has gone round once, so the first is now without a mark.
    const [first] = entries.keys();
    if (first !== undefined) entries.delete(first);
  }

  return {
    get: (id) => entries.get(id),
    put(id, held) {
      if (!entries.delete(id) && entries.size >= maxEntries) makeRoom();
      entries.set(id, held);
    },
    delete: (id) => void entries.delete(id),
    clear: () => entries.clear(),
    get size() {
      return entries.size;
    },
  };
}

// A map of bounded size that forgets what was not used for longest, at a cost that does not grow with its size: two generations,
// of which the older goes as a whole. (A single Map whose oldest entry is deleted looks ever longer for its first one.)

export type Generations<Value, Key = string> = {
  get(key: Key): Value | undefined;
  set(key: Key, value: Value): void;
  delete(key: Key): void;
  clear(): void;
  /** Whatever was not used since the last turn goes. */
  turn(): void;
  values(): Iterable<Value>;
  readonly size: number;
};

export function createGenerations<Value, Key = string>(maxEntries: number): Generations<Value, Key> {
  let young = new Map<Key, Value>();
  let old = new Map<Key, Value>();
  // A key that was used again is in both, so the two together never hold more than the bound.
  const half = Math.max(1, Math.ceil(maxEntries / 2));

  function turn(): void {
    old = young;
    young = new Map();
  }

  function set(key: Key, value: Value): void {
    young.set(key, value);
    if (young.size >= half) turn();
  }

  return {
    get(key) {
      const value = young.get(key);
      if (value !== undefined) return value;
      const kept = old.get(key);
      if (kept !== undefined) set(key, kept);
      return kept;
    },
    set,
    delete(key) {
      young.delete(key);
      old.delete(key);
    },
    clear() {
      young.clear();
      old.clear();
    },
    turn,
    *values() {
      yield* young.values();
      for (const [key, value] of old) if (!young.has(key)) yield value;
    },
    get size() {
      let size = young.size;
      for (const key of old.keys()) if (!young.has(key)) size += 1;
      return size;
    },
  };
}

// A map of what comes and goes all the time, in the order in which it came. V8 makes the next table of a Map where the last one lies:
// once that is among the old objects, so is every table after it, and each one that was outgrown holds on to all that stood in it
// (calls under way, with everything they know) until the next full collection. So this one begins a new Map now and then.

const joinsOfOne = 32;

export class Passing<Key, Value> {
  #entries = new Map<Key, Value>();
  #joined = 0;

  get size(): number {
    return this.#entries.size;
  }

  get(key: Key): Value | undefined {
    return this.#entries.get(key);
  }

  set(key: Key, value: Value): void {
    this.#joined += 1;
    if (this.#joined >= joinsOfOne && this.#joined >= 2 * this.#entries.size) {
      this.#joined = 0;
      this.#entries = new Map(this.#entries);
    }
    this.#entries.set(key, value);
  }

  delete(key: Key): void {
    this.#entries.delete(key);
  }

  clear(): void {
    this.#joined = 0;
    this.#entries = new Map();
  }

  /** Those that are there now. What is done with one may bring others, or take others away: these are passed over. */
  *all(): Generator<[Key, Value]> {
    for (const entry of [...this.#entries]) if (this.#entries.has(entry[0])) yield entry;
  }

  first(): Value | undefined {
    for (const value of this.#entries.values()) return value;
    return undefined;
  }
}

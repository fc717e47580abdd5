// Asking Redis: each value once at a time, whoever else wants it meanwhile, and all that is wanted in one turn of the event loop
// together.

import type { Soon } from "../at-once.ts";
import { Passing } from "../passing.ts";
import type { Link, Reader } from "./link.ts";
import type { Flight, Found, Held, Memory } from "./memory.ts";

/** One value that is being asked for. */
export class Reading<Value> implements Flight {
  readonly id: string;
  /** What memory held when it began, and held on to no longer. */
  readonly before: Held<Value> | undefined;
  live = true;
  /** What came of it, once Redis has answered. */
  found: Soon<Found<Value>> | undefined;
  readonly batch: Batch<Value>;
  #alone: Promise<Found<Value>> | undefined;
  #resolve: ((found: Soon<Found<Value>>) => void) | undefined;

  constructor(id: string, before: Held<Value> | undefined, batch: Batch<Value>) {
    this.id = id;
    this.before = before;
    this.batch = batch;
  }

  /** For whoever wants this one and no other. */
  get alone(): Promise<Found<Value>> {
    this.#alone ??=
      this.found === undefined
        ? new Promise((resolve) => {
            this.#resolve = resolve;
          })
        : Promise.resolve(this.found);
    return this.#alone;
  }

  end(found: Soon<Found<Value>>): void {
    this.found = found;
    this.#resolve?.(found);
  }
}

type Answering<Value> = {
  /** What Redis holds under this id: bytes, or nothing. */
  answer(reading: Reading<Value>, bytes: Buffer | null, now: number): Soon<Found<Value>>;
  goAlone(reading: Reading<Value>, error: unknown): Promise<Found<Value>>;
};

/** What is asked for together. Others may join until it is sent. */
class Batch<Value> implements Reader {
  readonly keys: string[] = [];
  readonly #all: Reading<Value>[] = [];
  readonly #by: Answering<Value>;
  readonly #sent: () => void;
  #done: Promise<void> | undefined;
  #finish: (() => void) | undefined;
  #isDone = false;

  constructor(by: Answering<Value>, sent: () => void) {
    this.#by = by;
    this.#sent = sent;
  }

  join(reading: Reading<Value>, key: string): void {
    this.#all.push(reading);
    this.keys.push(key);
  }

  /** For whoever wants several of them. */
  get done(): Promise<void> {
    this.#done ??= this.#isDone
      ? Promise.resolve()
      : new Promise((resolve) => {
          this.#finish = resolve;
        });
    return this.#done;
  }

  sent(): void {
    this.#sent();
  }

  take(bytes: (Buffer | null)[], from: number): void {
    const now = Date.now();
    for (let at = 0; at < this.#all.length; at++) {
      const reading = this.#all[at]!;
      reading.end(this.#by.answer(reading, bytes[from + at]!, now));
    }
    this.#end();
  }

  fail(error: unknown): void {
    for (const reading of this.#all) reading.end(this.#by.goAlone(reading, error));
    this.#end();
  }

  #end(): void {
    this.#isDone = true;
    this.#finish?.();
  }
}

/** What is under way at Redis, of one entity. */
export function createReadings<Value>({
  link,
  memory,
  keyOf,
  by,
}: {
  link: Pick<Link, "read">;
  memory: Pick<Memory<Value>, "at">;
  keyOf(id: string): string;
  by: Answering<Value>;
}) {
  const under = new Passing<string, Reading<Value>>();
  let gathering: Batch<Value> | undefined;

  function gather(): Batch<Value> {
    const batch = new Batch(by, () => {
      gathering = undefined;
    });
    gathering = batch;
    link.read(batch);
    return batch;
  }

  function begin(id: string, before: Held<Value> | undefined): Reading<Value> {
    const batch = gathering ?? gather();
    const reading = new Reading(id, before, batch);
    batch.join(reading, before?.key ?? keyOf(id));
    under.set(id, reading);
    return reading;
  }

  return {
    /** `before`: what memory holds, and holds on to no longer. */
    one: (id: string, before: Held<Value> | undefined): Promise<Found<Value>> =>
      (under.get(id) ?? begin(id, before)).alone,

    /** These places of a list; `take` is told of each. */
    many(
      ids: string[],
      places: number[],
      take: (place: number, found: Found<Value>) => void,
    ): Promise<unknown> {
      const readings = places.map((place) => {
        const id = ids[place]!;
        return under.get(id) ?? begin(id, memory.at(id));
      });
      const [{ batch }] = readings as [Reading<Value>];
      const answered = readings.every((each) => each.batch === batch)
        ? batch.done
        : Promise.all(Array.from(new Set(readings.map((each) => each.batch)), ({ done }) => done));
      return answered.then(() => {
        const slow: Promise<void>[] = [];
        for (let at = 0; at < places.length; at++) {
          const place = places[at]!;
          const found = readings[at]!.found!;
          if (found instanceof Promise) slow.push(found.then((found) => take(place, found)));
          else take(place, found);
        }
        return slow.length > 0 ? Promise.all(slow) : undefined;
      });
    },

    over(reading: Reading<Value>): void {
      if (under.get(reading.id) === reading) under.delete(reading.id);
    },

    /** Whoever comes from now on begins anew; those who came before get what they asked for. */
    drop(id: string): void {
      const reading = under.get(id);
      if (reading === undefined) return;
      reading.live = false;
      under.delete(id);
    },

    dropAll(): void {
      for (const [, reading] of under.all()) reading.live = false;
      under.clear();
    },
  };
}

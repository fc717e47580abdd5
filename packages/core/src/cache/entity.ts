// One kind of cached thing: memory, then Redis, then the source, which one caller of all processes asks while the others wait.

import { after, type Soon } from "../at-once.ts";
import type { AppError } from "../errors.ts";
import { newId } from "../ids.ts";
import type { Logger } from "../log.ts";
import { currentDeadline } from "../resilience/deadline.ts";
import { type Counters, newCounters } from "./counters.ts";
import { valueKey, valueKeys } from "./keys.ts";
import { cutMs, type Link, RedisAway } from "./link.ts";
import type { LoadGate } from "./load-gate.ts";
import { createLoader, type Loaded, maxBatch } from "./loading.ts";
import { createMemory, type Flight, type Found, foundOf, type Held, sinceStart } from "./memory.ts";
import { createReadings, type Reading } from "./reading.ts";
import { type Recent, watchRecent } from "./recent.ts";
import { isDue } from "./renewal.ts";
import { type CacheSettings, type Ttl, ttlReader } from "./settings.ts";
import { freeze, isSame, open, type Stored, seal, tagOf } from "./stored.ts";

export type { Found } from "./memory.ts";

/** What a loader may also hand over: values of other entities that it read in the same query. */
export type Beside<Source> = {
  seed<Value>(definition: EntityDefinition<Source, Value>, id: string, value: Value): void;
};

/** Values are plain JSON. */
export type EntityDefinition<Source, Value> = {
  /** `<module>.<noun>`. */
  name: string;
  /** Raise it when the value's fields change: what another release stored is then not read. */
  shape?: number;
  ttl?: Partial<Ttl>;
  /** How many a process keeps in memory. */
  l1Entries?: number;
  /** The values of those ids that exist. Reads of one moment come together. */
  load(source: Source, ids: string[], beside: Beside<Source>): Promise<Map<string, Value>>;
  /** The ids that are worth having before anyone asks. */
  popular?(source: Source): Promise<string[]>;
};

export const defineEntity = <Source, Value>(
  definition: EntityDefinition<Source, Value>,
): EntityDefinition<Source, Value> => definition;

export type Entity<Value> = {
  read(id: string): Promise<Value | undefined>;
  /** The same, and whether it is stale. Waits for nothing where this process has it in memory. */
  find(id: string): Soon<Found<Value>>;
  /** What this process has in memory, without waiting; undefined: ask find(). */
  peek(id: string): Found<Value> | undefined;
  /** In the order of the ids, and at once where this process has all of them in memory. `stale` is told of what is no longer fresh. */
  list(ids: string[], stale?: (found: Found<Value>) => void): Soon<(Value | undefined)[]>;
  /** The same by id: those that exist. */
  readMany(ids: string[]): Soon<Map<string, Value>>;
  /** Write-through: does the write, whose answer is the new value, and puts it in place of the old one everywhere. */
  write(id: string, work: () => Promise<Value>): Promise<Value>;
  /** After the commit of a change: no instance serves the old value from a moment later. Never fails. */
  forget(...ids: string[]): Promise<void>;
  warm(ids: string[]): Promise<void>;
  ttl(): Ttl;
};

export type EntityInside<Value> = Entity<Value> & {
  seed(id: string, value: Value, beganAt: number, drops: number): Promise<void>;
  drop(id: string): void;
  dropAll(): void;
  popular(): Promise<string[]>;
  readonly counters: Counters;
  recent(): Recent;
  readonly memorySize: number;
};

/** What all entities of one cache share. */
export type Shared<Source> = {
  source: Source;
  link: Link;
  log: Logger;
  gate: LoadGate;
  settings: () => CacheSettings;
  timing: Timing;
  inside<Value>(definition: EntityDefinition<Source, Value>): EntityInside<Value>;
  /** How often anything was dropped in this process. */
  drops: number;
};

export type Timing = {
  /** A lease ends by itself, should its holder be gone. */
  leaseMs: number;
  /** How long to wait for another process's load before loading too. */
  waitMs: number;
  /** How long a caller who could be given a stale value waits for the fresh one. */
  patienceMs: number;
  /** A source that failed is asked again for a value after this long; until then the stale one serves. */
  retryMs: number;
  /** The most that memory serves while no news reach this process. */
  aloneMs: number;
};

export const defaultTiming: Timing = {
  leaseMs: 3_000,
  waitMs: 2_000,
  patienceMs: 1_000,
  retryMs: 1_000,
  aloneMs: 1_000,
};

export function createEntity<Source, Value>(
  definition: EntityDefinition<Source, Value>,
  shared: Shared<Source>,
): EntityInside<Value> {
  const { name, shape = 0, l1Entries = 10_000 } = definition;
  const { link, gate, log, timing } = shared;
  const ttl = ttlReader(shared.settings, name, definition.ttl);
  const keyOf = (id: string) => valueKey(name, id);
  const keysOf = (id: string) => valueKeys(name, id);
  const memory = createMemory<Value>({ entries: l1Entries, aloneMs: timing.aloneMs, keyOf });
  const counters = newCounters();
  const recent = watchRecent(counters);
  const refreshing = new Set<string>();

  let tagEpoch = Number.NaN;
  let tagText = "";
  function tag(): string {
    const epoch = link.epochOf(name);
    if (epoch !== tagEpoch) {
      tagEpoch = epoch;
      tagText = tagOf(shape, epoch);
    }
    return tagText;
  }

  // ---- memory ----

  function keep(id: string, stored: Stored<Value>, flight: Flight, atMostMs?: number): Found<Value> {
    if (!flight.live) return foundOf(stored);
    return memory.keep(id, stored, { l1Ms: ttl().l1Ms, now: Date.now(), atMostMs });
  }

  function drop(id: string): void {
    shared.drops += 1;
    memory.drop(id);
    readings.drop(id);
  }

  function dropAll(): void {
    shared.drops += 1;
    memory.dropAll();
    readings.dropAll();
  }

  // ---- the source ----

  const load = createLoader({ gate, counters, recent, ask });

  async function ask(ids: string[]): Promise<Map<string, Value>> {
    const beganAt = Date.now();
    const { drops } = shared;
    const seeds: (() => Promise<void>)[] = [];
    const values = await definition.load(shared.source, ids, {
      seed: (other, id, value) => void seeds.push(() => shared.inside(other).seed(id, value, beganAt, drops)),
    });
    await Promise.all(seeds.map((seed) => seed()));
    return values;
  }

  function toStored({ value, tookMs }: Loaded): Stored<Value> {
    const now = Date.now();
    const { l2Ms, negativeMs } = ttl();
    const lifeMs = value === undefined ? negativeMs : l2Ms;
    return {
      value: value as Value | undefined,
      freshUntil: now + Math.round(lifeMs * (0.9 + Math.random() * 0.1)),
      filledAt: now,
      fillMs: tookMs,
      head: "",
      bytes: 0,
    };
  }

  const keepMs = (stored: Stored<Value>) =>
    Math.max(1, stored.freshUntil - Date.now() + (stored.value === undefined ? 0 : ttl().staleMs));

  /** With the lease: loads, and fills if nothing was invalidated meanwhile. */
  function lead(id: string, token: string): Promise<Found<Value>> {
    return memory.inFlight(id, async (flight) => {
      const at = tag();
      let loaded: Loaded;
      try {
        loaded = await load(id);
      } catch (error) {
        // The others need not wait for a lease that nobody works on.
        link.release(keysOf(id), token).catch(() => {});
        throw error;
      }
      const stored = toStored(loaded);
      const taken = await link
        .fill(keysOf(id), token, seal(at, loaded.json, stored), keepMs(stored))
        .catch(() => undefined);
      if (taken) return keep(id, stored, flight);
      if (taken === false) counters.refusedFills += 1;
      return foundOf(stored);
    });
  }

  /** Without a lease what was loaded stays in this process, and not for long. */
  function loadAlone(id: string, fallback: Stored<Value> | undefined): Promise<Found<Value>> {
    counters.loadsAlone += 1;
    return orStale(
      id,
      fallback,
      memory.inFlight(id, async (flight) => keep(id, toStored(await load(id)), flight, timing.aloneMs)),
    );
  }

  /** What was there before, where the source fails or is slow; its answer is still taken when it comes. */
  async function orStale(
    id: string,
    before: Stored<Value> | undefined,
    attempt: Promise<Found<Value>>,
  ): Promise<Found<Value>> {
    if (before?.value === undefined || before.freshUntil + ttl().staleMs <= Date.now()) return attempt;
    return memory.inFlight(id, async (flight) => {
      try {
        return await within(timing.patienceMs, attempt);
      } catch (error) {
        log.debug({ error, entity: name }, "the source is away or slow; a stale value serves");
        const { l1Ms } = ttl();
        counters.stale += 1;
        return flight.live
          ? memory.keep(id, before, { l1Ms, now: Date.now(), atMostMs: timing.retryMs, stale: true })
          : foundOf(before, true);
      }
    });
  }

  // ---- reading ----

  /** What memory serves without asking anyone. */
  function serve(id: string, held: Held<Value> | undefined, now: number): Found<Value> | undefined {
    if (held === undefined) return undefined;
    if (now >= (link.listening ? held.until : held.untilAlone)) return undefined;
    if (held.found.stale) counters.stale += 1;
    else {
      counters.l1Hits += 1;
      if (held.found.value === undefined) counters.negativeHits += 1;
      if (now >= held.dueFrom && isDue(held.stored, Date.now()) && !currentDeadline()?.barred) refresh(id);
    }
    return held.found;
  }

  const peek = (id: string): Found<Value> | undefined => serve(id, memory.at(id), sinceStart(Date.now()));

  function find(id: string): Soon<Found<Value>> {
    const held = memory.at(id);
    return serve(id, held, sinceStart(Date.now())) ?? askOne(id, held);
  }

  /** What memory does not serve: together with whoever asks the same. */
  function askOne(id: string, held: Held<Value> | undefined): Promise<Found<Value>> {
    const barred = currentDeadline()?.barred;
    return barred ? readKept(id, barred) : readings.one(id, held);
  }

  function askMany(
    ids: string[],
    places: number[],
    take: (place: number, found: Found<Value>) => void,
  ): Promise<unknown> {
    const barred = currentDeadline()?.barred;
    if (!barred) return readings.many(ids, places, take);
    return Promise.all(places.map(async (place) => take(place, await readKept(ids[place]!, barred))));
  }

  function answer(reading: Reading<Value>, bytes: Buffer | null, now: number): Soon<Found<Value>> {
    const { before } = reading;
    const stored = bytes === null ? undefined : openOnce(bytes, before?.stored);
    if (stored && stored.freshUntil > now) {
      readings.over(reading);
      return hit(reading, stored, now);
    }
    counters.misses += 1;
    return fetchFromSource(reading, stored ?? before?.stored).finally(() => readings.over(reading));
  }

  const goAlone = (reading: Reading<Value>, error: unknown) =>
    orAlone(reading.id, reading.before?.stored, error).finally(() => readings.over(reading));

  const readings = createReadings<Value>({ link, memory, keyOf, by: { answer, goAlone } });

  const fetchFromSource = (reading: Reading<Value>, known: Stored<Value> | undefined) =>
    loadOnce(reading, known).catch((error) => orAlone(reading.id, known, error));

  async function orAlone(
    id: string,
    known: Stored<Value> | undefined,
    error: unknown,
  ): Promise<Found<Value>> {
    if (!(error instanceof RedisAway)) throw error;
    return loadAlone(id, known);
  }

  /** For a call that may not ask the source: what there is, however old. */
  async function readKept(id: string, barred: AppError): Promise<Found<Value>> {
    const text = await link.get(keyOf(id)).catch(() => null);
    const stored = open<Value>(tag(), text) ?? memory.at(id)?.stored;
    const isFresh = stored !== undefined && stored.freshUntil > Date.now();
    if (stored === undefined || (stored.value === undefined && !isFresh)) throw barred;
    if (isFresh) counters.l2Hits += 1;
    else counters.stale += 1;
    return foundOf(stored, !isFresh);
  }

  /** Where Redis still holds what memory has, it is not made anew. */
  function openOnce(bytes: Buffer, before: Stored<Value> | undefined): Stored<Value> | undefined {
    const now = tag();
    if (before !== undefined && isSame(before, now, bytes)) return before;
    try {
      return open<Value>(now, bytes.toString());
    } catch {
      // What cannot be read is as good as not there.
      return undefined;
    }
  }

  function hit(reading: Reading<Value>, stored: Stored<Value>, now: number): Found<Value> {
    const { id, live, before } = reading;
    const { l1Ms } = ttl();
    counters.l2Hits += 1;
    if (stored.value === undefined) counters.negativeHits += 1;
    if (isDue(stored, now)) refresh(id);
    if (!live) return foundOf(stored);
    return before?.stored === stored && !before.found.stale
      ? memory.extend(before, l1Ms, now)
      : memory.keep(id, stored, { l1Ms, now });
  }

  /** One process loads, the others look again until its value is there, and not for ever. */
  async function loadOnce(reading: Reading<Value>, before: Stored<Value> | undefined): Promise<Found<Value>> {
    const { id } = reading;
    const token = newId();
    const end = Date.now() + timing.waitMs;
    for (let pauseMs = 3; ; pauseMs = Math.min(pauseMs * 1.6, 50)) {
      const at = tag();
      const now = Date.now();
      const { text, leased } = await link.acquire(keysOf(id), {
        token,
        leaseMs: timing.leaseMs,
        tag: at,
        now,
        force: false,
      });
      if (leased) return orStale(id, before, lead(id, token));
      const stored = open<Value>(at, text === "" ? null : text);
      if (stored && stored.freshUntil > now) return hit(reading, stored, now);
      if (now >= end) return loadAlone(id, before);
      counters.waits += 1;
      await pause(pauseMs * (0.5 + Math.random()));
    }
  }

  // ---- renewing before the end ----

  function refresh(id: string): void {
    if (refreshing.has(id) || !link.usable) return;
    refreshing.add(id);
    const token = newId();
    link
      .acquire(keysOf(id), {
        token,
        leaseMs: timing.leaseMs,
        tag: tag(),
        now: Date.now(),
        force: true,
      })
      .then(async ({ leased }) => {
        if (!leased) return;
        counters.earlyRefreshes += 1;
        await lead(id, token);
      })
      .catch((error) => log.debug({ error, entity: name }, "not renewed early; it will be when it ends"))
      .finally(() => refreshing.delete(id));
  }

  // ---- writing and forgetting ----

  async function forget(...ids: string[]): Promise<void> {
    counters.invalidations += ids.length;
    for (const id of ids) drop(id);
    await Promise.all(ids.map((id) => link.cut(name, id)));
    // Reads that began in between may hold what was there before.
    for (const id of ids) drop(id);
  }

  async function write(id: string, work: () => Promise<Value>): Promise<Value> {
    const token = newId();
    // No fill that is under way now will count: it may have read what is about to change.
    const reserved = await link.reserve(keysOf(id), token, timing.leaseMs).then(
      () => true,
      () => false,
    );
    let value: Value;
    try {
      value = await work();
    } catch (error) {
      // A commit whose answer was lost may have happened.
      await forget(id);
      throw error;
    }
    if (!reserved) {
      await forget(id);
      return value;
    }
    counters.invalidations += 1;
    drop(id);
    await memory.inFlight(id, async (flight) => {
      const json = JSON.stringify(value);
      const stored = toStored({ value: freeze(JSON.parse(json)), json, tookMs: 0 });
      const taken = await link
        .put(name, id, token, seal(tag(), json, stored), keepMs(stored))
        .catch(() => undefined);
      if (taken === undefined) return forget(id);
      const { live } = flight;
      drop(id);
      if (taken && live) keep(id, stored, { live });
    });
    return value;
  }

  function list(ids: string[], stale?: (found: Found<Value>) => void): Soon<(Value | undefined)[]> {
    const values: (Value | undefined)[] = [];
    const missing: number[] = [];
    const now = sinceStart(Date.now());
    for (const [place, id] of ids.entries()) {
      const found = serve(id, memory.at(id), now);
      if (found === undefined) missing.push(place);
      else if (found.stale) stale?.(found);
      values.push(found?.value);
    }
    if (missing.length === 0) return values;
    const take = (place: number, found: Found<Value>) => {
      if (found.stale) stale?.(found);
      values[place] = found.value;
    };
    return askMany(ids, missing, take).then(() => values);
  }

  const readMany = (ids: string[]): Soon<Map<string, Value>> =>
    after(list(ids), (values) => {
      const map = new Map<string, Value>();
      for (const [at, value] of values.entries()) if (value !== undefined) map.set(ids[at]!, value);
      return map;
    });

  return {
    find,
    peek,
    read: async (id) => (await find(id)).value,
    list,
    readMany,
    write,
    forget,
    ttl,
    drop,
    dropAll,
    counters,
    recent: recent.read,
    get memorySize() {
      return memory.size;
    },
    popular: async () => (await definition.popular?.(shared.source)) ?? [],

    async warm(ids) {
      for (let from = 0; from < ids.length; from += maxBatch) await list(ids.slice(from, from + maxBatch));
    },

    /** Only where nothing was invalidated since the reading began. */
    async seed(id, value, beganAt, drops) {
      const json = JSON.stringify(value);
      const stored = toStored({
        value: freeze(JSON.parse(json)),
        json,
        tookMs: Date.now() - beganAt,
      });
      if (link.usable && Date.now() - beganAt < cutMs / 2) {
        const at = tag();
        await link.seed(keysOf(id), at, seal(at, json, stored), keepMs(stored)).catch(() => {});
      } else if (shared.drops === drops && !memory.at(id)) {
        keep(id, stored, { live: true }, timing.aloneMs);
      }
    },
  };
}

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${ms} ms`)), ms);
  });
  // Its failure after the deadline is nobody's any more.
  work.catch(() => {});
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

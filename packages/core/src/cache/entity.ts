// One kind of cached thing: memory, then Redis, then the source, which one caller of all processes asks while the others wait.

import { after, type Soon } from "../at-once.ts";
import type { AppError } from "../errors.ts";
import { createGenerations } from "../generations.ts";
import { newId } from "../ids.ts";
import type { Logger } from "../log.ts";
import { Passing } from "../passing.ts";
import { currentDeadline } from "../resilience/deadline.ts";
import { type Counters, newCounters } from "./counters.ts";
import { valueKey, valueKeys } from "./keys.ts";
import { cutMs, type Link, type Reader, RedisAway } from "./link.ts";
import type { LoadGate } from "./load-gate.ts";
import { type Recent, watchRecent } from "./recent.ts";
import { type CacheSettings, type Ttl, ttlReader } from "./settings.ts";
import { freeze, isSame, open, type Stored, seal, tagOf } from "./stored.ts";

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

export type Found<Value> = {
  /** Undefined: the source knows nothing under this id. */
  value: Value | undefined;
  /** No longer fresh, because the source is away or slow. */
  stale: boolean;
  filledAt: number;
};

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

const maxBatch = 100;
/** How eagerly values are renewed before they end; 1 is the optimum of the XFetch paper. */
const beta = 1;

/**
 * The first level: what this process has in memory. Its times are whole milliseconds since the process began: these lie in the object
 * itself, where those since 1970 would each be an object elsewhere, to be fetched for every read.
 */
type Held<Value> = {
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

const processStart = Date.now();
const sinceStart = (unixMs: number) => Math.floor(unixMs - processStart);

/** An answer on its way to memory. What was dropped meanwhile does not get there. */
type Flight = { live: boolean };
type Reading<Value> = Flight & {
  id: string;
  /** What memory held when it began, and held on to no longer. */
  before: Stored<Value> | undefined;
  /** What it was asked for with, and which of them it is: for whoever asks the same meanwhile. */
  batch: Batch<Value>;
  at: number;
};
type Answering<Value> = {
  answer(begun: Reading<Value>, bytes: Buffer | null): Soon<Found<Value>>;
  goAlone(begun: Reading<Value>, error: unknown): Promise<Found<Value>>;
};

/** What is asked for together, and whoever waits for some of it. */
class Batch<Value> implements Reader {
  readonly keys: string[];
  readonly begun: Reading<Value>[];
  /** In the same order, once it is done. */
  readonly found: Soon<Found<Value>>[];
  /** Where one alone is asked for, this is its answer as well. */
  readonly done: Promise<unknown>;
  #finish!: (first: unknown) => void;
  readonly #entity: Answering<Value>;

  constructor(entity: Answering<Value>, keys: string[]) {
    this.#entity = entity;
    this.keys = keys;
    // At their size: what grows begins with room for many.
    this.begun = new Array(keys.length);
    this.found = new Array(keys.length);
    this.done = new Promise((resolve) => {
      this.#finish = resolve;
    });
  }

  take(bytes: (Buffer | null)[], from: number): void {
    for (const begun of this.begun)
      this.found[begun.at] = this.#entity.answer(begun, bytes[from + begun.at]!);
    this.#end();
  }

  fail(error: unknown): void {
    for (const begun of this.begun) this.found[begun.at] = this.#entity.goAlone(begun, error);
    this.#end();
  }

  #end(): void {
    this.#finish(this.found.length === 1 ? this.found[0] : undefined);
  }
}

/** Which answer of a batch belongs where in a list. */
type Wanted = { at: number; place: number };

type Waiter = { resolve(loaded: Loaded): void; reject(error: unknown): void };
type Loaded = { value: unknown; json: string | undefined; tookMs: number };

export function createEntity<Source, Value>(
  definition: EntityDefinition<Source, Value>,
  shared: Shared<Source>,
): EntityInside<Value> {
  const { name, shape = 0, l1Entries = 10_000 } = definition;
  const { link, gate, log, timing } = shared;
  const ttl = ttlReader(shared.settings, name, definition.ttl);
  const memory = createGenerations<Held<Value>>(l1Entries);
  const counters = newCounters();
  const recent = watchRecent(counters);
  const opened = createGenerations<Stored<Value>>(l1Entries);
  const reading = new Passing<string, Reading<Value>>();
  const refreshing = new Set<string>();
  const flights = new Map<string, Set<Flight>>();
  let batch: Map<string, Waiter[]> | undefined;

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
  const keysOf = (id: string) => valueKeys(name, id);
  const found = ({ value, filledAt }: Stored<Value>, stale = false): Found<Value> => ({
    value,
    stale,
    filledAt,
  });

  // ---- memory ----

  function takeOff(id: string): Flight {
    const flight = { live: true };
    const others = flights.get(id);
    if (others) others.add(flight);
    else flights.set(id, new Set([flight]));
    return flight;
  }

  function land(id: string, flight: Flight): void {
    const all = flights.get(id);
    all?.delete(flight);
    if (all?.size === 0) flights.delete(id);
  }

  async function inFlight<T>(id: string, work: (flight: Flight) => Promise<T>): Promise<T> {
    const flight = takeOff(id);
    try {
      return await work(flight);
    } finally {
      land(id, flight);
    }
  }

  function keep(
    id: string,
    stored: Stored<Value>,
    flight: Flight,
    { atMostMs = Infinity, stale = false } = {},
  ) {
    if (!flight.live) return;
    const { l1Ms } = ttl();
    if (l1Ms === 0 && !stale) return;
    const now = Date.now();
    // Some spread, so that what came at once does not end at once.
    const lifeMs = Math.min(l1Ms * (0.9 + Math.random() * 0.1), atMostMs);
    const end = stale ? Infinity : stored.freshUntil;
    const until = sinceStart(Math.min(now + lifeMs, end));
    const untilAlone = sinceStart(Math.min(now + Math.min(lifeMs, timing.aloneMs), end));
    const held = memory.get(id);
    // The same once more: what follows from it was made long ago, and need not be made anew.
    if (held?.stored === stored && held.found.stale === stale) Object.assign(held, { until, untilAlone });
    else {
      const dueFrom = sinceStart(stored.freshUntil - longestStart(stored));
      memory.set(id, { stored, found: found(stored, stale), until, untilAlone, dueFrom });
    }
  }

  function drop(id: string): void {
    shared.drops += 1;
    memory.delete(id);
    opened.delete(id);
    // Whoever comes from now on begins anew; those who came before get what they asked for.
    const under = reading.get(id);
    if (under) {
      under.live = false;
      reading.delete(id);
    }
    for (const flight of flights.get(id) ?? []) flight.live = false;
  }

  function dropAll(): void {
    shared.drops += 1;
    memory.clear();
    opened.clear();
    for (const [, under] of reading.all()) under.live = false;
    reading.clear();
    for (const all of flights.values()) for (const flight of all) flight.live = false;
  }

  // ---- the source ----

  /** Asks for this id together with the others of this moment. */
  function load(id: string): Promise<Loaded> {
    return new Promise((resolve, reject) => {
      if (!batch || batch.size >= maxBatch) {
        const gathered = new Map<string, Waiter[]>();
        batch = gathered;
        setImmediate(() => {
          if (batch === gathered) batch = undefined;
          void loadBatch(gathered);
        });
      }
      const waiters = batch.get(id);
      if (waiters) waiters.push({ resolve, reject });
      else batch.set(id, [{ resolve, reject }]);
    });
  }

  async function loadBatch(gathered: Map<string, Waiter[]>): Promise<void> {
    try {
      const { values, tookMs } = await gate.run(() => loadNow([...gathered.keys()]));
      for (const [id, waiters] of gathered) {
        const value = values.get(id);
        const json = value === undefined ? undefined : JSON.stringify(value);
        // Read back, so that a value looks the same whether it was loaded here or comes from Redis.
        const loaded = { value: json === undefined ? undefined : freeze(JSON.parse(json)), json, tookMs };
        for (const { resolve } of waiters) resolve(loaded);
      }
    } catch (error) {
      for (const waiters of gathered.values()) for (const { reject } of waiters) reject(error);
    }
  }

  async function loadNow(ids: string[]) {
    const beganAt = Date.now();
    const { drops } = shared;
    const seeds: (() => Promise<void>)[] = [];
    counters.loads += 1;
    try {
      const values = await definition.load(shared.source, ids, {
        seed: (other, id, value) =>
          void seeds.push(() => shared.inside(other).seed(id, value, beganAt, drops)),
      });
      await Promise.all(seeds.map((seed) => seed()));
      counters.loadedValues += values.size;
      return { values, tookMs: Date.now() - beganAt };
    } catch (error) {
      counters.loadErrors += 1;
      throw error;
    } finally {
      const tookMs = Date.now() - beganAt;
      counters.loadMs += tookMs;
      recent.addFill(tookMs);
      counters.slowestLoadMs = Math.max(counters.slowestLoadMs, tookMs);
    }
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
    return inFlight(id, async (flight) => {
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
      if (taken) keep(id, stored, flight);
      else if (taken === false) counters.refusedFills += 1;
      return found(stored);
    });
  }

  /** Without a lease what was loaded stays in this process, and not for long. */
  function loadAlone(id: string, fallback: Stored<Value> | undefined): Promise<Found<Value>> {
    counters.loadsAlone += 1;
    return orStale(
      id,
      fallback,
      inFlight(id, async (flight) => {
        const stored = toStored(await load(id));
        keep(id, stored, flight, { atMostMs: timing.aloneMs });
        return found(stored);
      }),
    );
  }

  /** What was there before, where the source fails or is slow; its answer is still taken when it comes. */
  async function orStale(
    id: string,
    before: Stored<Value> | undefined,
    attempt: Promise<Found<Value>>,
  ): Promise<Found<Value>> {
    if (before?.value === undefined || before.freshUntil + ttl().staleMs <= Date.now()) return attempt;
    return inFlight(id, async (flight) => {
      try {
        return await within(timing.patienceMs, attempt);
      } catch (error) {
        log.debug({ error, entity: name }, "the source is away or slow; a stale value serves");
        keep(id, before, flight, { atMostMs: timing.retryMs, stale: true });
        counters.stale += 1;
        return found(before, true);
      }
    });
  }

  // ---- reading ----

  function peek(id: string): Found<Value> | undefined {
    return look(id, sinceStart(Date.now()))?.found;
  }

  function look(id: string, now: number): Held<Value> | undefined {
    const held = memory.get(id);
    if (held === undefined) return undefined;
    if (now >= (link.listening ? held.until : held.untilAlone)) return undefined;
    if (held.found.stale) counters.stale += 1;
    else {
      counters.l1Hits += 1;
      if (held.found.value === undefined) counters.negativeHits += 1;
      if (now >= held.dueFrom && isDue(held.stored) && !currentDeadline()?.barred) refresh(id);
    }
    return held;
  }

  const find = (id: string): Soon<Found<Value>> => peek(id) ?? ask(id);

  /** What memory does not hold: together with whoever asks the same. */
  function ask(id: string): Promise<Found<Value>> {
    const barred = currentDeadline()?.barred;
    if (barred) return readKept(id, barred);
    const under = reading.get(id);
    if (under === undefined) return begin([id]).done as Promise<Found<Value>>;
    return under.batch.done.then(() => under.batch.found[under.at]!);
  }

  /** The same for these places of a list, which wait for one answer together: a new one, or what others wait for already. */
  function askMany(
    ids: string[],
    places: number[],
    take: (place: number, found: Found<Value>) => void,
  ): Promise<unknown> {
    const barred = currentDeadline()?.barred;
    if (barred)
      return Promise.all(places.map(async (place) => take(place, await readKept(ids[place]!, barred))));
    const unknown = new Set<string>();
    for (const place of places) if (reading.get(ids[place]!) === undefined) unknown.add(ids[place]!);
    if (unknown.size > 0) begin([...unknown]);
    const byBatch = new Map<Batch<Value>, Wanted[]>();
    for (const place of places) {
      const { batch, at } = reading.get(ids[place]!)!;
      const wanted = byBatch.get(batch);
      if (wanted === undefined) byBatch.set(batch, [{ at, place }]);
      else wanted.push({ at, place });
    }
    const taken = Array.from(byBatch, ([batch, wanted]) => takeFrom(batch, wanted, take));
    return taken.length === 1 ? taken[0]! : Promise.all(taken);
  }

  const takeFrom = (
    batch: Batch<Value>,
    wanted: Wanted[],
    take: (place: number, found: Found<Value>) => void,
  ): Promise<unknown> =>
    batch.done.then(() => {
      const slow: Promise<void>[] = [];
      for (const { at, place } of wanted) {
        const found = batch.found[at]!;
        if (found instanceof Promise) slow.push(found.then((found) => take(place, found)));
        else take(place, found);
      }
      return slow.length > 0 ? Promise.all(slow) : undefined;
    });

  function begin(ids: string[]): Batch<Value> {
    const batch = new Batch(
      answering,
      ids.map((id) => valueKey(name, id)),
    );
    for (let at = 0; at < ids.length; at++) {
      const id = ids[at]!;
      const begun = { id, live: true, before: memory.get(id)?.stored, batch, at };
      reading.set(id, begun);
      batch.begun[at] = begun;
    }
    link.read(batch);
    return batch;
  }

  function over(begun: Reading<Value>): void {
    if (reading.get(begun.id) === begun) reading.delete(begun.id);
  }

  function answer(begun: Reading<Value>, bytes: Buffer | null): Soon<Found<Value>> {
    const { id } = begun;
    const stored = bytes === null ? undefined : openOnce(id, bytes, begun.before);
    if (stored && stored.freshUntil > Date.now()) {
      over(begun);
      return hit(id, stored, begun);
    }
    counters.misses += 1;
    return fetchFromSource(id, begun, stored ?? begun.before).finally(() => over(begun));
  }

  const goAlone = (begun: Reading<Value>, error: unknown) =>
    orAlone(begun.id, begun.before, error).finally(() => over(begun));

  const answering: Answering<Value> = { answer, goAlone };

  const fetchFromSource = (id: string, flight: Flight, known: Stored<Value> | undefined) =>
    loadOnce(id, flight, known).catch((error) => orAlone(id, known, error));

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
    const text = await link.get(valueKey(name, id)).catch(() => null);
    const stored = open<Value>(tag(), text) ?? memory.get(id)?.stored;
    const isFresh = stored !== undefined && stored.freshUntil > Date.now();
    if (stored === undefined || (stored.value === undefined && !isFresh)) throw barred;
    if (isFresh) counters.l2Hits += 1;
    else counters.stale += 1;
    return found(stored, !isFresh);
  }

  /** Where Redis still holds the same, it is not made anew: `before`, or what memory must not serve and is asked for each time. */
  function openOnce(id: string, bytes: Buffer, before: Stored<Value> | undefined): Stored<Value> | undefined {
    const now = tag();
    const known = before ?? opened.get(id);
    if (known !== undefined && isSame(known, now, bytes)) return known;
    let stored: Stored<Value> | undefined;
    try {
      stored = open<Value>(now, bytes.toString());
    } catch {
      // What cannot be read is as good as not there.
    }
    if (stored && ttl().l1Ms === 0) opened.set(id, stored);
    return stored;
  }

  function hit(id: string, stored: Stored<Value>, flight: Flight): Found<Value> {
    counters.l2Hits += 1;
    if (stored.value === undefined) counters.negativeHits += 1;
    keep(id, stored, flight);
    if (isDue(stored)) refresh(id);
    return found(stored);
  }

  /** One process loads, the others look again until its value is there, and not for ever. */
  async function loadOnce(
    id: string,
    flight: Flight,
    before: Stored<Value> | undefined,
  ): Promise<Found<Value>> {
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
      if (stored && stored.freshUntil > now) return hit(id, stored, flight);
      if (now >= end) return loadAlone(id, before);
      counters.waits += 1;
      await pause(pauseMs * (0.5 + Math.random()));
    }
  }

  // ---- renewing before the end ----

  /** A cheap load is worth a head start too, as far as the value lives long enough. */
  const spanOf = ({ freshUntil, filledAt, fillMs }: Stored<Value>): number =>
    Math.max(fillMs, (freshUntil - filledAt) / 1_000) * beta;

  const longestStart = (stored: Stored<Value>): number => spanOf(stored) * 12;

  /** The nearer the end and the dearer the load, the likelier: of many readers one comes early, and none all at once. */
  function isDue(stored: Stored<Value>): boolean {
    const leftMs = stored.freshUntil - Date.now();
    return leftMs < longestStart(stored) && leftMs <= spanOf(stored) * -Math.log(1 - Math.random());
  }

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
    await inFlight(id, async (flight) => {
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
      const found = look(id, now)?.found;
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
      } else if (shared.drops === drops && !memory.get(id)) {
        keep(id, stored, { live: true }, { atMostMs: timing.aloneMs });
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

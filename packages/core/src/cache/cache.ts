// The cache of a process: a few thousand values in memory, all of them in Redis, and the source behind a narrow gate.
// Invalidation reaches every instance in milliseconds by pub/sub; with Redis away memory serves a second and no longer.

import { newId } from "../ids.ts";
import type { Logger } from "../log.ts";
import type { Redis } from "../redis.ts";
import type { Counters } from "./counters.ts";
import {
  createEntity,
  defaultTiming,
  type Entity,
  type EntityDefinition,
  type EntityInside,
  type Shared,
  type Timing,
} from "./entity.ts";
import { createLink } from "./link.ts";
import { createLoadGate } from "./load-gate.ts";
import { type CacheReport, createReporter } from "./report.ts";
import { type CacheSettings, defaultCacheSettings } from "./settings.ts";
import { createWriteBehind, type WriteBehind, type WriteBehindOptions } from "./write-behind.ts";

export { defineEntity, type Entity, type EntityDefinition, type Found } from "./entity.ts";
export type { CacheSettings, Ttl } from "./settings.ts";

export type CacheStatus = {
  /** Whether values are read from and written to Redis, and whether news of changes reach this process. */
  redis: boolean;
  news: boolean;
  /** Invalidations that Redis could not be told yet. */
  unsent: number;
  loads: { running: number; waiting: number };
  entities: ({ name: string; inMemory: number } & Counters)[];
};

export type Cache<Source> = {
  /** The same for the same definition. */
  entity<Value>(definition: EntityDefinition<Source, Value>): Entity<Value>;
  writeBehind<Change>(options: WriteBehindOptions<Change>): WriteBehind<Change>;
  /**
   * For operators: one value of an entity, or without an id all of it and of whatever is below a prefix (`users`, `*`), on every
   * instance. Waits a moment for the word of each that is `expected`.
   */
  invalidate(what: { name: string; id?: string }, expected: string[] | undefined): Promise<Invalidated>;
  /** Reads what is popular into the cache: of an entity, or of all below a prefix. Answers how many. */
  warm(name: string): Promise<number>;
  status(): CacheStatus;
  /** What the caches of those instances did in the last minutes, this one's first. */
  reports(alive: string[]): Promise<CacheReport[]>;
  /** Waits a moment for Redis; without it the cache works all the same. */
  start(): Promise<void>;
  close(): Promise<void>;
};

export type Invalidated = {
  /** Null: nobody knows who is alive. */
  expected: number | null;
  confirmed: number;
  slowestMs: number | null;
  missing: string[];
};

export type CacheOptions<Source> = {
  /** This process, as the registry knows it. */
  instance?: string;
  /** What it will be asked for, so that operators see and warm it before anyone asks. */
  entities?: EntityDefinition<Source, unknown>[];
  redis: Redis;
  log: Logger;
  /** What loaders read from. */
  source: Source;
  settings?: () => CacheSettings;
  timing?: Partial<Timing>;
};

const startPatienceMs = 1_500;
const confirmMs = 2_000;

export function createCache<Source>({
  redis,
  log,
  source,
  settings = () => defaultCacheSettings,
  timing,
  instance = newId(),
  entities: known = [],
}: CacheOptions<Source>): Cache<Source> {
  const entities = new Map<unknown, EntityInside<unknown>>();
  const named = new Map<string, EntityInside<unknown>>();
  const behind: { close(): Promise<void> }[] = [];

  const below = (prefix: string) =>
    [...named].filter(([name]) => prefix === "*" || name === prefix || name.startsWith(`${prefix}.`));

  const link = createLink({
    redis,
    log,
    instance,
    news: {
      changed: (name, id) => named.get(name)?.drop(id),
      allChanged(prefix) {
        for (const [, entity] of below(prefix)) entity.dropAll();
      },
      unsure() {
        for (const entity of named.values()) entity.dropAll();
      },
    },
  });

  const shared: Shared<Source> = {
    source,
    link,
    log,
    settings,
    gate: createLoadGate(() => settings().maxLoads),
    timing: { ...defaultTiming, ...timing },
    drops: 0,
    inside<Value>(definition: EntityDefinition<Source, Value>) {
      let entity = entities.get(definition) as EntityInside<Value> | undefined;
      if (!entity) {
        const { name } = definition;
        if (named.has(name)) throw new Error(`two entities of the cache are named ${name}; rename one`);
        entity = createEntity(definition, shared);
        entities.set(definition, entity as EntityInside<unknown>);
        named.set(name, entity as EntityInside<unknown>);
      }
      return entity;
    },
  };

  for (const definition of known) shared.inside(definition);

  const reporter = createReporter({
    redis,
    instance,
    describe: () => ({
      redis: link.usable,
      news: link.listening,
      entities: [...named].map(([name, entity]) => ({
        name,
        memorySize: entity.memorySize,
        ttl: entity.ttl(),
        recent: entity.recent(),
      })),
    }),
  });

  return {
    entity: (definition) => shared.inside(definition),
    writeBehind(options) {
      const made = createWriteBehind(options, log);
      behind.push(made);
      return made;
    },
    async invalidate({ name, id }, expected) {
      const began = performance.now();
      const heard = new Map<string, number>();
      const waited = Promise.withResolvers<void>();
      const hear = (from: string) => {
        heard.set(from, performance.now() - began);
        if (expected?.every((each) => heard.has(each))) waited.resolve();
      };
      const timer = setTimeout(waited.resolve, confirmMs);
      const work = async (ask: string) => {
        if (id === undefined) await link.cutAll(name, ask);
        else {
          named.get(name)?.drop(id);
          await link.cut(name, id, ask);
          named.get(name)?.drop(id);
        }
        hear(instance);
        // Nobody hears the others while Redis is away, and they are told when it is back.
        if (!link.usable || !link.listening || expected === undefined) waited.resolve();
      };
      await link.asking(work, hear, waited.promise);
      clearTimeout(timer);
      const confirmed = expected?.filter((each) => heard.has(each)) ?? [instance];
      return {
        expected: expected?.length ?? null,
        confirmed: confirmed.length,
        slowestMs:
          confirmed.length === 0
            ? null
            : Math.round(Math.max(...confirmed.map((each) => heard.get(each) ?? 0)) * 10) / 10,
        missing: expected?.filter((each) => !heard.has(each)) ?? [],
      };
    },
    async warm(prefix) {
      let count = 0;
      for (const [, entity] of below(prefix)) {
        const ids = await entity.popular();
        await entity.warm(ids);
        count += ids.length;
      }
      return count;
    },
    status: () => ({
      redis: link.usable,
      news: link.listening,
      unsent: link.unsent,
      loads: { running: shared.gate.running, waiting: shared.gate.waiting },
      entities: [...named].map(([name, entity]) => ({
        name,
        inMemory: entity.memorySize,
        ...entity.counters,
      })),
    }),
    reports: (alive) => reporter.all(alive),
    async start() {
      await link.start(startPatienceMs);
      reporter.start();
    },
    async close() {
      await Promise.all([...behind.map((each) => each.close()), reporter.close()]);
      link.close();
    },
  };
}

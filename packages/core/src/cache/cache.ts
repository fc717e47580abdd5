// The cache of a process: a few thousand values in memory, all of them in Redis, and the source behind a narrow gate.
// Invalidation reaches every instance in milliseconds by pub/sub; with Redis away memory serves a second and no longer.

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
  /** For operators: one value, wherever it is held. */
  forget(name: string, id: string): Promise<void>;
  /** For operators: an entity, or all below a prefix (`users`, `*`), on every instance. */
  forgetAll(name: string): Promise<void>;
  /** Reads what is popular into the cache: of an entity, or of all below a prefix. Answers how many. */
  warm(name: string): Promise<number>;
  status(): CacheStatus;
  /** Waits a moment for Redis; without it the cache works all the same. */
  start(): Promise<void>;
  close(): Promise<void>;
};

export type CacheOptions<Source> = {
  redis: Redis;
  log: Logger;
  /** What loaders read from. */
  source: Source;
  settings?: () => CacheSettings;
  timing?: Partial<Timing>;
};

const startPatienceMs = 1_500;

export function createCache<Source>({
  redis,
  log,
  source,
  settings = () => defaultCacheSettings,
  timing,
}: CacheOptions<Source>): Cache<Source> {
  const entities = new Map<unknown, EntityInside<unknown>>();
  const named = new Map<string, EntityInside<unknown>>();
  const behind: { close(): Promise<void> }[] = [];

  const below = (prefix: string) =>
    [...named].filter(([name]) => prefix === "*" || name === prefix || name.startsWith(`${prefix}.`));

  const link = createLink({
    redis,
    log,
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

  return {
    entity: (definition) => shared.inside(definition),
    writeBehind(options) {
      const made = createWriteBehind(options, log);
      behind.push(made);
      return made;
    },
    async forget(name, id) {
      const entity = named.get(name);
      await (entity ? entity.forget(id) : link.cut(name, id));
    },
    forgetAll: (name) => link.cutAll(name),
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
    start: () => link.start(startPatienceMs),
    async close() {
      await Promise.all(behind.map((each) => each.close()));
      link.close();
    },
  };
}

// The decisions over a settings document: pure, no I/O, no clock of their own. What does not change between two documents is
// worked out once per document and name, so that asking for it in a request is one look-up.

import { isWithin } from "./bucket.ts";
import {
  type CacheLayer,
  type CacheTtl,
  type CanarySetting,
  type DependencyLayer,
  defaultShed,
  dependencyPrefix,
  expired,
  holding,
  knownNumbers,
  type LimitLayer,
  type LimitSetting,
  type NumberKey,
  type NumberLayer,
  partSwitch,
  pathOf,
  type Settings,
  type ShedLayer,
  type ShedValues,
  type SwitchLayer,
  type SwitchSetting,
  shedValues,
  tagPrefix,
  type WeightLayer,
} from "./settings.ts";
import { type Attributes, compileTargets } from "./targets.ts";

/** One key that can switch a name off. */
type OffRule = { key: string; setting: SwitchSetting; salt: string };

/** The tags of a name, as the code knows them; an install's own switches bring theirs along. */
export type TagsOf = (name: string) => readonly string[];

/** What a flag is for one caller, and why: in OpenFeature's words. */
export type Decision = {
  on: boolean;
  reason: "STATIC" | "SPLIT" | "TARGETING_MATCH";
  /** The key that decided; null: nothing is set. */
  key: string | null;
  message: string;
};

/** The time, or a clock: few settings have an end, and where none has nobody asks for the time. */
type Moment = number | (() => number);
const read = (at: Moment): number => (typeof at === "number" ? at : at());

export type Off = { key: string; layer: SwitchLayer };
export type Limit = { key: string; value: LimitLayer };

export type Rules = {
  readonly settings: Settings;
  /** What switches this call off, or undefined: it may go on. */
  off(name: string, unit: string, at: Moment, attributes?: Attributes): SwitchLayer | undefined;
  /** Whether everyone is switched off: for what knows no callers, such as a queue or a part that processes ask. */
  offForAll(name: string, nowMs: number): boolean;
  /** The same with its grounds, for applications that ask. */
  decide(name: string, unit: string, nowMs: number, attributes?: Attributes): Decision;
  /** The same for the console: which key decides, whoever the caller is. */
  decides(name: string, nowMs: number): Off | undefined;
  /** The limit set on this name or the nearest prefix of it. */
  limitOf(name: string, at: Moment): Limit | undefined;
  /** The limit under exactly this key. */
  limitAt(key: string, at: Moment): Limit | undefined;
  /** What operators say that a call of this name weighs, or of the nearest prefix; undefined: what its procedure says. */
  weightOf(name: string, at: Moment): number | undefined;
  /** The canary of a code path that a call or a job of this name takes part in. */
  canaryOf(name: string): CanarySetting | undefined;
  /** The canary of a service's release, and of the release of a module's workers. */
  releaseOf(service: string): CanarySetting | undefined;
  workerOf(service: string): CanarySetting | undefined;
  /** What caches go by; the same object for as long as nothing changes. */
  cacheAt(at: Moment): CacheRules;
  /** How much a service takes at once. */
  shedOf(service: string, at: Moment): ShedValues;
  number(key: NumberKey, nowMs: number): number;
  /** The operators' word on a part; undefined: its breaker decides. */
  forced(dependency: string, nowMs: number): "open" | "closed" | undefined;
};

export type CacheRules = { maxLoads: number; ttl: Record<string, CacheTtl> };

// Names come from code, but a caller of `off` with made-up ones must not grow the map for ever.
const maxNames = 10_000;

const noTags: TagsOf = () => [];
const nothingKnown: Attributes = {};

export function compile(settings: Settings, tagsOf: TagsOf = noTags): Rules {
  const switchKeys = Object.keys(settings.switches).length;
  const offRules = new Map<string, OffRule[]>();
  const limits = new Map<string, [string, LimitSetting] | null>();
  const canaries = inForce(settings.canaries);

  const targeted = new Map<SwitchLayer, (attributes: Attributes) => boolean>();
  for (const setting of Object.values(settings.switches))
    for (const layer of [setting, ...setting.afterwards])
      if (layer.targets.length > 0) targeted.set(layer, compileTargets(layer.targets));

  /** From the most exact key to the broadest: the name, its prefixes, its tags, everything. */
  function keysOf(name: string): string[] {
    // Nobody who turns off everything that callers reach means that the platform shall not ask its database.
    if (name.startsWith(dependencyPrefix)) return [name];
    const path = pathOf(name);
    const own = settings.own[name]?.tags ?? [];
    const tags = [...new Set([...tagsOf(name), ...own])].map((tag) => tagPrefix + tag);
    if (tags.length > 0) path.splice(-1, 0, ...tags);
    return path;
  }

  function rulesOf(name: string): OffRule[] {
    let rules = offRules.get(name);
    if (rules === undefined) {
      rules = keysOf(name).flatMap((key) => {
        const setting = settings.switches[key];
        return setting ? [{ key, setting, salt: setting.salt ?? key }] : [];
      });
      if (offRules.size >= maxNames) offRules.clear();
      offRules.set(name, rules);
    }
    return rules;
  }

  // The most exact key decides. A broader key that was switched off later counts as well: whoever switches off `feed` at
  // night means all of it, also what someone switched on one by one last month.
  function find(name: string, at: Moment, unit: string | undefined, attributes: Attributes): Off | undefined {
    let newest = -1;
    for (const { key, setting, salt } of rulesOf(name)) {
      const layer = setting.expiresAt === null ? setting : holding<SwitchLayer>(setting, read(at));
      if (layer === undefined || layer.order < newest) continue;
      newest = layer.order;
      if (layer.state === "off" && (unit === undefined || meets(layer, salt, unit, attributes)))
        return { key, layer };
    }
    return undefined;
  }

  function offForAll(name: string, nowMs: number): boolean {
    let newest = -1;
    for (const { setting } of rulesOf(name)) {
      const layer = holding<SwitchLayer>(setting, nowMs);
      if (layer === undefined || layer.order < newest) continue;
      newest = layer.order;
      if (layer.state === "off" && layer.share === 100 && layer.targets.length === 0) return true;
    }
    return false;
  }

  const meets = (layer: SwitchLayer, salt: string, unit: string, attributes: Attributes): boolean =>
    (layer.targets.length === 0 || targeted.get(layer)!(attributes)) && isWithin(layer.share, salt, unit);

  function decide(name: string, unit: string, nowMs: number, attributes = nothingKnown): Decision {
    const off = find(name, nowMs, unit, attributes);
    const set = rulesOf(name).flatMap(({ key, setting }) => {
      const layer = holding<SwitchLayer>(setting, nowMs);
      return layer ? [{ key, layer }] : [];
    });
    const reason = set.some(({ layer }) => layer.state === "off" && layer.targets.length > 0)
      ? "TARGETING_MATCH"
      : set.some(({ layer }) => layer.state === "off" && layer.share < 100)
        ? "SPLIT"
        : "STATIC";
    return {
      on: off === undefined,
      reason,
      key: off?.key ?? set[0]?.key ?? null,
      message: off?.layer.message ?? "",
    };
  }

  function limitSettingOf(name: string): [string, LimitSetting] | null {
    let found = limits.get(name);
    if (found === undefined) {
      const key = pathOf(name).find((at) => settings.limits[at] !== undefined);
      found = key === undefined ? null : [key, settings.limits[key]!];
      if (limits.size >= maxNames) limits.clear();
      limits.set(name, found);
    }
    return found;
  }

  let cache: CacheRules | undefined;
  let cacheUntil = 0;
  function cacheAt(at: Moment): CacheRules {
    if (cache !== undefined && cacheUntil === Number.POSITIVE_INFINITY) return cache;
    const nowMs = read(at);
    if (cache !== undefined && nowMs < cacheUntil) return cache;
    const entries = Object.entries(settings.caches);
    const held = entries.flatMap(([key, setting]): [string, CacheTtl][] => {
      const layer = holding<CacheLayer>(setting, nowMs);
      return layer === undefined ? [] : [[key, ttlOf(layer)]];
    });
    const ends = entries
      .flatMap(([, setting]) => [setting, ...setting.afterwards])
      .flatMap((layer) =>
        layer.expiresAt === null || expired(layer, nowMs) ? [] : [Date.parse(layer.expiresAt)],
      );
    cache = { maxLoads: settings.cache.maxLoads, ttl: Object.fromEntries(held) };
    cacheUntil = Math.min(Number.POSITIVE_INFINITY, ...ends);
    return cache;
  }

  /** Without an end the values of a service stay the same for as long as this document does. */
  const sheds = new Map<string, ShedValues>();
  const shedMayEnd = Object.values(settings.shed).some(({ expiresAt }) => expiresAt !== null);

  function shedNow(service: string, at: Moment): ShedValues {
    const known = sheds.get(service);
    if (known) return known;
    const nowMs = read(at);
    const layers = ["*", service].map(
      (key) => settings.shed[key] && holding<ShedLayer>(settings.shed[key], nowMs),
    );
    const given = layers.map((layer) => layer && shedValues.parse(layer));
    const values: ShedValues = { ...defaultShed, ...given[0], ...given[1] };
    if (!shedMayEnd && sheds.size < maxNames) sheds.set(service, values);
    return values;
  }

  const limitNow = (key: string, setting: LimitSetting, at: Moment): Limit | undefined => {
    const value = setting.expiresAt === null ? setting : holding<LimitLayer>(setting, read(at));
    return value && { key, value };
  };

  return {
    settings,
    off:
      switchKeys === 0
        ? () => undefined
        : (name, unit, at, attributes = nothingKnown) => find(name, at, unit, attributes)?.layer,
    offForAll: switchKeys === 0 ? () => false : offForAll,
    decide,
    decides: (name, nowMs) => find(name, nowMs, undefined, nothingKnown),
    limitOf(name, at) {
      const found = limitSettingOf(name);
      return found === null ? undefined : limitNow(found[0], found[1], at);
    },
    limitAt(key, at) {
      const setting = settings.limits[key];
      return setting && limitNow(key, setting, at);
    },
    weightOf:
      Object.keys(settings.weights).length === 0
        ? () => undefined
        : (name, at) => {
            const nowMs = read(at);
            for (const key of pathOf(name)) {
              const setting = settings.weights[key];
              const layer = setting && holding<WeightLayer>(setting, nowMs);
              if (layer) return layer.weight;
            }
            return undefined;
          },
    cacheAt,
    shedOf: shedNow,
    number(key, nowMs) {
      const setting = settings.numbers[key];
      return (setting && holding<NumberLayer>(setting, nowMs)?.value) ?? knownNumbers[key].preset;
    },
    forced(dependency, nowMs) {
      if (offForAll(partSwitch(dependency), nowMs)) return "open";
      const setting = settings.dependencies[dependency];
      const force = setting && holding<DependencyLayer>(setting, nowMs)?.force;
      return force === "auto" ? undefined : force;
    },
    canaryOf: canaries.switches.size === 0 ? () => undefined : (name) => firstOf(name, canaries.switches),
    releaseOf: (service) => canaries.releases.get(service),
    workerOf: (service) => canaries.workers.get(service),
  };
}

/** Only what was set: what was left out must not hide a value of a broader key. */
function ttlOf({ l1Ms, l2Ms, negativeMs, staleMs, cdnSeconds }: CacheLayer): CacheTtl {
  const all = { l1Ms, l2Ms, negativeMs, staleMs, cdnSeconds };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}

/** Those that callers may meet, by what they are about. */
function inForce(canaries: Settings["canaries"]) {
  const switches = new Map<string, CanarySetting>();
  const releases = new Map<string, CanarySetting>();
  const workers = new Map<string, CanarySetting>();
  for (const canary of Object.values(canaries)) {
    const { target, state } = canary;
    if (state === "aborted") continue;
    if (target.kind === "switch") switches.set(target.key, canary);
    else (target.kind === "release" ? releases : workers).set(target.service, canary);
  }
  return { switches, releases, workers };
}

function firstOf<Value>(name: string, values: ReadonlyMap<string, Value>): Value | undefined {
  for (const key of pathOf(name)) {
    const value = values.get(key);
    if (value !== undefined) return value;
  }
  return undefined;
}

/** Stable or canary: the same unit always gets the same answer at the same weight, and keeps it while the weight grows. */
export const isCanary = (canary: Pick<CanarySetting, "weight" | "salt">, unit: string): boolean =>
  isWithin(canary.weight, canary.salt, unit);

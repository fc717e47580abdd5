// Who is alive: every process says so each second and is forgotten five seconds after its last word.

import { randomBytes } from "node:crypto";
import { setTimeout } from "node:timers/promises";
import { listen } from "./listen.ts";
import type { Logger } from "./log.ts";
import type { Redis } from "./redis.ts";

export type InstanceHealth = "pass" | "warn" | "fail";

export type Instance = {
  id: string;
  name: string;
  role: string;
  version: string;
  track: "stable" | "canary";
  zone: string;
  pid: number;
  /** Where its traffic goes, if any does. */
  address: string | null;
  /** The modules that gateways may call there. */
  services: string[];
  startedAt: string;
  health: InstanceHealth;
  /** The revision of the settings that it enforces; null where it holds none. */
  revision: number | null;
  /** Keys that a file on its machine decides. */
  overridden: string[];
  /** Calls under way there. */
  load: number;
  /** Instances that it, a gateway, sends nothing to for a while because they failed. */
  ejected: string[];
};

/** What changes while a process runs. */
type State = "health" | "revision" | "overridden" | "load" | "ejected";

export type Seen = Instance & { lastSeenMs: number };

export type Registry = {
  start(): Promise<void>;
  /** Everyone alive; undefined: Redis is away or was emptied a moment ago, so nobody knows. */
  list(): Promise<Seen[] | undefined>;
  /** The newest list that was ever had, without waiting. */
  lastKnown(): readonly Seen[];
  /** How many instances share the work of one like this; at least 1. */
  count(): number;
  /** Tells of every newer list, and at once who leaves; until the answer is called. */
  watch(watcher: Watcher): () => void;
  /** Says at once what has changed, instead of with the next beat. */
  beat(): Promise<void>;
  /** Takes this process out, so that nothing waits for it. */
  close(): Promise<void>;
};

export type Watcher = { news(known: readonly Seen[]): void; left(id: string): void };

export const registryKeys = (prefix = "signalbox") => ({
  beats: `${prefix}:{registry}:beats`,
  instances: `${prefix}:{registry}:instances`,
  since: `${prefix}:{registry}:since`,
});

const newsChannel = (prefix = "signalbox") => `${prefix}:registry:news`;

/** Readable first, since operators meet it in lists of who is missing. */
export const newInstanceId = (name: string): string => `${name}-${randomBytes(4).toString("hex")}`;

// Redis' own clock counts, so that the clocks of machines may differ. `since` tells how long this registry has been filling.
const script = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local ttl = tonumber(ARGV[1])
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', '(' .. (now - ttl))) do
  redis.call('ZREM', KEYS[1], id)
  redis.call('HDEL', KEYS[2], id)
end
redis.call('SET', KEYS[3], now, 'NX')
if ARGV[2] ~= '' then
  redis.call('ZADD', KEYS[1], now, ARGV[2])
  redis.call('HSET', KEYS[2], ARGV[2], ARGV[3])
end
local beats = redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')
local found = { tostring(now - tonumber(redis.call('GET', KEYS[3]))) }
for i = 1, #beats, 2 do
  found[#found + 1] = tostring(now - tonumber(beats[i + 1]))
  found[#found + 1] = redis.call('HGET', KEYS[2], beats[i]) or ''
end
return found`;

type News = { changed: string } | { left: string };

const unsaid: Pick<Instance, State | "services"> = {
  health: "pass",
  revision: null,
  overridden: [],
  load: 0,
  ejected: [],
  services: [],
};

type Worker = Pick<Instance, "role"> & { services?: string[] };
/** Whether calls of one kind may reach either of the two. */
const sharesWork = (one: Worker, other: Worker): boolean =>
  one.role === "all" ||
  (one.role === "gateway" && other.role === "all") ||
  (one.role === other.role &&
    (one.role !== "service" || (one.services ?? []).some((name) => other.services?.includes(name))));

export function createRegistry(deps: {
  redis: Redis;
  log: Logger;
  instance: Omit<Instance, State | "services"> & { services?: string[] };
  /** Asked at each beat. */
  describe?: () => Partial<Pick<Instance, State>> | Promise<Partial<Pick<Instance, State>>>;
  prefix?: string;
  beatMs?: number;
  ttlMs?: number;
}): Registry {
  const { redis, log, instance, describe } = deps;
  const { beatMs = 1_000, ttlMs = 5_000 } = deps;
  const keys = registryKeys(deps.prefix);
  const channel = newsChannel(deps.prefix);
  let known: Seen[] = [];
  let timer: NodeJS.Timeout | undefined;
  let closed = false;
  let away = false;
  let saidHealth: InstanceHealth | undefined;
  const watchers = new Set<Watcher>();
  let subscription: ReturnType<typeof listen> | undefined;

  let self = "";
  async function describeSelf(): Promise<void> {
    const said = { ...unsaid, ...instance, ...(await describe?.()) };
    // Whoever sends traffic here should not learn a beat later that it may begin, or must end.
    if (said.health !== saidHealth) tell({ changed: instance.id });
    saidHealth = said.health;
    self = JSON.stringify(said);
  }

  async function ask(speak: boolean): Promise<{ settled: boolean; seen: Seen[] }> {
    const [age = "0", ...rest] = (await redis.eval(
      script,
      3,
      keys.beats,
      keys.instances,
      keys.since,
      String(ttlMs),
      speak && !closed ? instance.id : "",
      speak ? self : "",
    )) as string[];
    const seen: Seen[] = [];
    for (let at = 0; at + 1 < rest.length; at += 2)
      if (rest[at + 1])
        seen.push({ ...unsaid, ...(JSON.parse(rest[at + 1]!) as Instance), lastSeenMs: Number(rest[at]) });
    seen.sort((a, b) => (a.name === b.name ? (a.id < b.id ? -1 : 1) : a.name < b.name ? -1 : 1));
    const settled = Number(age) >= 2 * beatMs;
    // A registry that was emptied a moment ago must not make the others seem dead.
    if (settled || seen.length >= known.length) {
      known = seen;
      for (const watcher of watchers) watcher.news(known);
    }
    return { settled, seen };
  }

  /** Not waited for: the next beat of the others says the same. */
  function tell(word: News): void {
    redis.publish(channel, JSON.stringify(word)).catch(() => {});
  }

  let isAsking = false;
  function hear(text: string): void {
    const word = JSON.parse(text) as News;
    if ("left" in word) for (const watcher of watchers) watcher.left(word.left);
    // Published a moment before it is written, and many may change at once.
    if (isAsking) return;
    isAsking = true;
    void setTimeout(20)
      .then(() => (redis.status === "ready" ? ask(false) : undefined))
      .catch(() => {})
      .finally(() => {
        isAsking = false;
      });
  }

  async function beat(): Promise<void> {
    if (closed || redis.status !== "ready") return;
    try {
      await describeSelf();
      await ask(true);
      if (away) log.info("the registry answers again");
      away = false;
    } catch (error) {
      if (!away) log.warn({ error }, "the registry does not answer; the last known instances are assumed");
      away = true;
    }
  }

  return {
    beat,
    async start() {
      await beat();
      // Also the first time, where Redis was not connected yet.
      redis.on("ready", beat);
      timer = setInterval(beat, beatMs);
      timer.unref();
    },
    async list() {
      if (redis.status !== "ready") return undefined;
      try {
        const { settled, seen } = await ask(timer !== undefined);
        return settled ? seen : undefined;
      } catch {
        return undefined;
      }
    },
    lastKnown: () => known,
    count: () => Math.max(1, known.filter((one) => sharesWork(one, instance)).length),
    watch(watcher) {
      watchers.add(watcher);
      subscription ??= listen(redis, channel, { message: hear });
      watcher.news(known);
      return () => void watchers.delete(watcher);
    },
    async close() {
      subscription?.close();
      if (closed) return;
      closed = true;
      clearInterval(timer);
      redis.off("ready", beat);
      if (redis.status !== "ready") return;
      await redis
        .pipeline()
        .zrem(keys.beats, instance.id)
        .hdel(keys.instances, instance.id)
        .exec()
        .catch(() => {});
      await redis.publish(channel, JSON.stringify({ left: instance.id } satisfies News)).catch(() => {});
    },
  };
}

// One way to reach Redis or Valkey: a single server, Sentinel or Cluster, told apart by the URL alone.
//   redis://host:6379   rediss://…   redis+sentinel://h1:26379,h2:26379/primary   redis+cluster://h1:6379,h2:6379

import type { Writable } from "node:stream";
import { setTimeout as pause } from "node:timers/promises";
import { Cluster, Command, Redis as IORedis, type RedisOptions } from "ioredis";
import { Passing } from "./passing.ts";
import type { Breaker } from "./resilience/breaker.ts";
import { currentDeadline } from "./resilience/deadline.ts";

export type Redis = IORedis;

const common: RedisOptions = {
  // Without a guard a caller waits at most this long for a lost Redis; every use has a fallback that is better than waiting.
  commandTimeout: 2_000,
  connectTimeout: 2_000,
  maxRetriesPerRequest: 1,
  // Tells a peer that is gone from one that is silent.
  keepAlive: 5_000,
  retryStrategy: (attempt) => Math.min(50 * 2 ** Math.min(attempt, 6), 2_000) * (0.5 + Math.random() / 2),
};

/** For XREAD BLOCK, BullMQ and pub/sub: commands that wait on purpose, or must outlive a reconnect. */
export const patient: RedisOptions = {
  commandTimeout: undefined,
  maxRetriesPerRequest: null,
  autoResendUnfulfilledCommands: true,
  // Whoever listens subscribes with each connection. Where ioredis does, a refusal is nobody's, and ends the process.
  autoResubscribe: false,
};

/** What a connection lost is not sent again by itself: it may have arrived. */
const once: RedisOptions = { maxRetriesPerRequest: 0, autoResendUnfulfilledCommands: false };

/** guard() ends what gets no answer, sooner and for all at once; a timer for each command would cost more than the command. */
const untimed: RedisOptions = { commandTimeout: undefined };

export function connectRedis(
  url: string,
  options: RedisOptions & { onError?: (error: Error) => void; breaker?: Breaker } = {},
): Redis {
  const { onError, breaker, ...rest } = options;
  const settings = breaker ? { ...common, ...once, ...rest, ...untimed } : { ...common, ...rest };
  return equip(open(url.replace(/^valkey(s?):/, "redis$1:"), settings), onError, breaker);
}

/** One more connection to the same Redis; what one learns of its silence, all know. */
export function connectAnother(redis: Redis, options: RedisOptions): Redis {
  // One that waits on purpose says nothing by its silence.
  if (options.maxRetriesPerRequest === null)
    return equip(redis.isCluster ? redis.duplicate() : redis.duplicate({ ...options, lazyConnect: false }));
  const breaker = guarded.get(redis);
  const settings = { ...options, ...(breaker ? untimed : {}) };
  if (!redis.isCluster)
    return equip(redis.duplicate({ ...once, ...settings, lazyConnect: false }), undefined, breaker);
  const cluster = redis as unknown as Cluster;
  const { enableOfflineQueue = true, ...rest } = settings;
  const opened = cluster.duplicate([], {
    enableOfflineQueue,
    redisOptions: { ...cluster.options.redisOptions, ...rest },
  });
  return equip(opened as unknown as Redis, undefined, breaker);
}

/** Whether it was there in time. */
export function whenReady(redis: Redis, withinMs: number): Promise<boolean> {
  if (redis.status === "ready") return Promise.resolve(true);
  return new Promise((resolve) => {
    const end = (isReady: boolean) => {
      clearTimeout(timer);
      redis.off("ready", ready);
      resolve(isReady);
    };
    const ready = () => end(true);
    const timer = setTimeout(end, withinMs, false);
    redis.once("ready", ready);
  });
}

function equip(client: Redis, onError?: (error: Error) => void, breaker?: Breaker): Redis {
  // Without a listener ioredis prints to the console and Node would end the process on a second error event.
  client.on("error", (error: Error) => onError?.(error));
  if (!client.isCluster) {
    gatherWrites(client);
    hurry(client);
  }
  if (breaker) guard(client, breaker);
  return client;
}

/**
 * What is asked in one turn of the event loop is written at once, each command on its own all the same: ioredis's automatic pipelines
 * would keep what is asked next until all of the last was answered.
 */
function gatherWrites(client: Redis): void {
  const send = client.sendCommand.bind(client);
  let gathering: Writable | undefined;
  client.sendCommand = (...sent: Parameters<typeof send>) => {
    const socket = (client as unknown as { stream?: Writable }).stream;
    if (socket !== undefined && socket !== gathering) {
      gathering = socket;
      socket.cork();
      setImmediate(() => {
        socket.uncork();
        if (gathering === socket) gathering = undefined;
      });
    }
    return send(...sent);
  };
}

/** Nothing more will be asked of it in this turn: what was, goes out now. */
export function writeNow(client: Redis): void {
  (client as unknown as { stream?: Writable }).stream?.uncork();
}

const hurryMs = 5_000;

/** A server that takes a connection and says nothing may be gone by the time it would: another one is asked then. */
function hurry(client: Redis): void {
  let timer: NodeJS.Timeout | undefined;
  client.on("connect", () => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      if (client.status === "connect") client.disconnect(true);
    }, hurryMs).unref();
  });
  client.on("ready", () => clearTimeout(timer));
}

/** Redis answers within a millisecond or two: when nothing comes for so long, it hangs. */
const silentMs = 250;
const sweepMs = 50;
/** After so long without a word a connection is opened anew: it may be the only one that is dead. */
const deadMs = 5_000;
/** What ioredis itself says to begin with. */
const greetings = new Set(["auth", "client", "cluster", "hello", "info", "readonly", "select"]);
/** What is not watched over with all others has a timer of its own. */
const unwatchedMs = 2_000;

const guarded = new WeakMap<Redis, Breaker>();

/**
 * Nobody waits for a Redis that is not connected, and for one that hangs only until that is known: from then on calls do not ask, until
 * a question of the guard's own is answered. Whatever else this process does asks all the same, and waits as short.
 */
function guard(client: Redis, breaker: Breaker): void {
  guarded.set(client, breaker);
  const send = client.sendCommand.bind(client);
  const asked = new Passing<Command, number>();
  const sendTimed = (...sent: Parameters<typeof send>) => {
    sent[0].setTimeout(unwatchedMs);
    return send(...sent);
  };
  // A pipeline is sent when all of it was written: of all its commands the same must become.
  const pipelines = new WeakMap<object, number | Error>();
  let sweeping: NodeJS.Timeout | undefined;
  let isTrying = false;

  /** Throws where there is no use in asking. */
  function enter(): number {
    const ticket = (currentDeadline()?.asksAnyway ?? true) ? -1 : breaker.enter();
    if (client.status === "ready") return ticket;
    breaker.done(ticket, false, notConnected);
    throw new Error(`Redis: ${notConnected}`);
  }

  function enterOnce(pipeline: object | undefined): number | Error {
    const known = pipeline && pipelines.get(pipeline);
    if (known !== undefined) return known;
    let decision: number | Error;
    try {
      decision = enter();
    } catch (error) {
      decision = error as Error;
    }
    if (pipeline) pipelines.set(pipeline, decision);
    return decision;
  }

  function sweep(): void {
    const first = asked.first();
    if (first === undefined) {
      clearInterval(sweeping);
      sweeping = undefined;
    } else if (performance.now() - first >= silentMs) {
      const why = `no answer within ${silentMs} ms`;
      breaker.trip(why);
      for (const [command] of asked.all()) command.reject(new Error(`Redis: ${why}`));
      void tryAgain();
    }
  }

  // Where this process itself was held up, the answer lies in the socket, and is read before the immediate runs.
  const sweepLater = () => void setImmediate(sweep);

  /** Asks until it is answered: at once where the silence was this process's own, else as soon as Redis goes on. */
  async function tryAgain(): Promise<void> {
    if (isTrying) return;
    isTrying = true;
    const from = performance.now();
    while (breaker.state !== "closed" && client.status === "ready") {
      try {
        await sendTimed(new Command("ping"));
        breaker.restore("it answers again");
      } catch {
        if (performance.now() - from > deadMs) client.disconnect(true);
        await pause(sweepMs);
      }
    }
    isTrying = false;
  }

  client.on("ready", () => void tryAgain());
  client.sendCommand = (...sent: Parameters<typeof send>) => {
    const [command, pipeline] = sent;
    if (greetings.has(command.name)) return sendTimed(...sent);
    const ticket = enterOnce(pipeline);
    if (typeof ticket !== "number") {
      command.reject(ticket);
      return command.promise;
    }
    const { resolve, reject } = command;
    asked.set(command, performance.now());
    sweeping ??= setInterval(sweepLater, sweepMs).unref();
    command.resolve = (value) => {
      asked.delete(command);
      breaker.done(ticket, true);
      resolve(value);
    };
    command.reject = (error) => {
      asked.delete(command);
      breaker.done(ticket, error.name === "ReplyError", error.message);
      reject(error);
      if (breaker.state === "open") void tryAgain();
    };
    return send(...sent);
  };
}

const notConnected = "not connected";

function open(url: string, settings: RedisOptions): Redis {
  const [, form, rest = ""] = /^redis\+(sentinel|cluster):\/\/(.*)$/.exec(url) ?? [];
  if (!form) return new IORedis(url, settings);
  const [hosts = "", path = ""] = rest.split("/");
  const [credentials, list] = hosts.includes("@")
    ? [hosts.slice(0, hosts.lastIndexOf("@")), hosts.slice(hosts.lastIndexOf("@") + 1)]
    : ["", hosts];
  const [username, password] = credentials ? credentials.split(":").map(decodeURIComponent) : [];
  const nodes = list.split(",").map((host) => {
    const [name = "127.0.0.1", port] = host.split(":");
    return { host: name, port: Number(port ?? (form === "sentinel" ? 26379 : 6379)) };
  });
  const login = { ...(username ? { username } : {}), ...(password ? { password } : {}) };
  if (form === "sentinel")
    return new IORedis({ ...settings, ...login, sentinels: nodes, name: path || "primary" });
  // Cluster has the same commands as a single client; keys that meet in one command carry one hash tag (keys.ts files).
  return new Cluster(nodes, { redisOptions: { ...settings, ...login } }) as unknown as Redis;
}

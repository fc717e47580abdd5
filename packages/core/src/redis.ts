// One way to reach Redis or Valkey: a single server, Sentinel or Cluster, told apart by the URL alone.
//   redis://host:6379   rediss://…   redis+sentinel://h1:26379,h2:26379/primary   redis+cluster://h1:6379,h2:6379

import { Cluster, type Command, Redis as IORedis, type RedisOptions } from "ioredis";
import type { Breaker } from "./resilience/breaker.ts";
import { currentDeadline } from "./resilience/deadline.ts";

export type Redis = IORedis;

const common: RedisOptions = {
  // A caller waits at most this long for a lost Redis; every use has a fallback that is better than waiting.
  commandTimeout: 2_000,
  connectTimeout: 2_000,
  maxRetriesPerRequest: 1,
  enableAutoPipelining: true,
  retryStrategy: (attempt) => Math.min(50 * 2 ** Math.min(attempt, 6), 2_000) * (0.5 + Math.random() / 2),
};

/** For XREAD BLOCK, BullMQ and pub/sub: commands that wait on purpose, or must outlive a reconnect. */
export const patient: RedisOptions = {
  commandTimeout: undefined,
  maxRetriesPerRequest: null,
  enableAutoPipelining: false,
};

export function connectRedis(
  url: string,
  options: RedisOptions & { onError?: (error: Error) => void; breaker?: Breaker } = {},
): Redis {
  const { onError, breaker, ...rest } = options;
  const settings = { ...common, ...rest };
  const client = open(url.replace(/^valkey(s?):/, "redis$1:"), settings);
  // Without a listener ioredis prints to the console and Node would end the process on a second error event.
  client.on("error", (error: Error) => onError?.(error));
  if (breaker) guard(client, breaker);
  return client;
}

/** Redis answers within a millisecond or two: when nothing comes for so long, it hangs. */
const silentMs = 400;
const sweepMs = 100;

/**
 * In a call nothing is asked of a Redis that does not answer. Whatever else this process does asks all the same, and like a call it
 * waits for a moment only: what is sent together shares a context, so that a call's command may travel with others.
 */
function guard(client: Redis, breaker: Breaker): void {
  const send = client.sendCommand.bind(client);
  const asked = new Map<Command, number>();
  let sweeping: NodeJS.Timeout | undefined;

  function sweep(): void {
    const [first] = asked.values();
    if (first === undefined) {
      clearInterval(sweeping);
      sweeping = undefined;
    } else if (client.status === "ready" && performance.now() - first >= silentMs) {
      const why = `no answer within ${silentMs} ms`;
      breaker.trip(why);
      for (const command of [...asked.keys()]) command.reject(new Error(`Redis: ${why}`));
    }
  }

  // Where this process itself was held up, the answer lies in the socket, and is read before the immediate runs.
  const sweepLater = () => void setImmediate(sweep);

  client.sendCommand = (command: Command, stream) => {
    let ticket = -1;
    try {
      ticket = currentDeadline() === undefined ? breaker.probe() : breaker.enter();
    } catch (error) {
      command.reject(error as Error);
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
    };
    return send(command, stream);
  };
}

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

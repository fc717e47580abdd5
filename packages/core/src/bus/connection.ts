// A connection to Redis that lives once: when it breaks it stays broken, nothing is sent again by itself. After a break
// Redis may have forgotten its last second, so whoever holds positions in memory must read them anew.

import { connectRedis, patient, type Redis } from "../redis.ts";

export type Link = { redis: Redis; readonly broken: Promise<Error>; isBroken(): boolean; close(): void };

export async function link(url: string, options: { name: string; blocking?: boolean }): Promise<Link> {
  let isBroken = false;
  let breakIt: (error: Error) => void = () => {};
  const broken = new Promise<Error>((resolve) => {
    breakIt = resolve;
  });
  let lastError = new Error("the connection to Redis was closed");
  const redis = connectRedis(url, {
    ...(options.blocking ? patient : {}),
    connectionName: options.name,
    lazyConnect: true,
    autoResendUnfulfilledCommands: false,
    retryStrategy: () => null,
    maxRetriesPerRequest: 0,
    commandTimeout: options.blocking ? undefined : 5_000,
    keepAlive: 5_000,
    onError: (error) => {
      lastError = error;
    },
  });
  redis.on("close", () => {
    isBroken = true;
    breakIt(lastError);
  });
  // A Cluster client connects by itself; a single one waits to be told.
  if (redis.status === "wait") await redis.connect();
  else if (redis.status !== "ready")
    await new Promise<void>((resolve, reject) => {
      redis.once("ready", resolve);
      redis.once("end", () => reject(lastError));
    });
  return { redis, broken, isBroken: () => isBroken, close: () => redis.disconnect() };
}

export const isCluster = (url: string): boolean => url.startsWith("redis+cluster:");

// Real engines for the tests of this package and of those above it: a database and a key prefix of their own.

import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createLogger } from "@signalbox/core/log";
import { connectRedis, type Redis } from "@signalbox/core/redis";
import { forgetKeys } from "@signalbox/core/testing/forget-keys";
import { connectDatabase, type Database } from "@signalbox/db";
import { createTestDatabase } from "@signalbox/db/testing";

export type TestEngines = {
  database: Database;
  databaseUrl: string;
  redis: Redis;
  /** Another connection to the same Redis, as another process has. */
  connect(): Redis;
  prefix: string;
  dataDir: string;
  close(): Promise<void>;
};

export const quiet = createLogger({ name: "test", level: "silent" });

export async function startTestEngines(): Promise<TestEngines> {
  const { TEST_REDIS_URL } = process.env;
  if (!TEST_REDIS_URL) throw new Error("TEST_REDIS_URL is not set: run the tests with ./signalbox test");
  const { url: databaseUrl, drop } = await createTestDatabase();
  const database = connectDatabase(databaseUrl, { name: "test", poolSize: 4 });
  const connections: Redis[] = [];
  const connect = () => {
    const redis = connectRedis(TEST_REDIS_URL);
    connections.push(redis);
    return redis;
  };
  const redis = connect();
  const dataDir = await mkdtemp(join(tmpdir(), "signalbox-control-"));
  const prefix = `test-${randomBytes(6).toString("hex")}`;
  return {
    database,
    databaseUrl,
    redis,
    connect,
    prefix,
    dataDir,
    async close() {
      await forgetKeys(redis, `${prefix}:*`);
      for (const connection of connections) connection.disconnect();
      await database.close();
      await drop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

/** A line to an engine that can be cut. */
export async function openLine(engineUrl: string) {
  const { hostname, port } = new URL(engineUrl);
  const sockets = new Set<Socket>();
  let isCut = false;
  const server: Server = createServer((near) => {
    if (isCut) return void near.destroy();
    const far = connect(Number(port), hostname);
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket
        .on("error", () => {})
        .on("close", () => {
          sockets.delete(socket);
          near.destroy();
          far.destroy();
        });
    }
    near.pipe(far).pipe(near);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = new URL(engineUrl);
  url.port = String((server.address() as { port: number }).port);
  return {
    url: url.href,
    cut() {
      isCut = true;
      for (const socket of sockets) socket.destroy();
    },
    mend() {
      isCut = false;
    },
    close(): Promise<unknown> {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(resolve));
    },
  };
}

export type Line = Awaited<ReturnType<typeof openLine>>;

/** Waits until something is so; says what was not, when it never becomes so. A throw means: not yet. */
export async function until(what: string, is: () => unknown, limitMs = 5_000): Promise<void> {
  const end = performance.now() + limitMs;
  for (;;) {
    try {
      if (await is()) return;
    } catch (error) {
      if (performance.now() > end) throw error;
    }
    if (performance.now() > end) throw new Error(`${what}: not within ${limitMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

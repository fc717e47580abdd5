// A call as the doors make it, for the tests of stages; and a Redis that a test may kill.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { connectRedis, type Redis } from "@signalbox/core/redis";

import { Deadline } from "@signalbox/core/resilience/deadline";
import type { Call } from "./pipeline.ts";

export function testCall(given: Partial<Call> = {}): Call {
  const name = given.name ?? "feed.post.create";
  return {
    name,
    service: name.slice(0, name.indexOf(".")),
    priority: "normal",
    weight: 1,
    caller: { kind: "user", id: "user-1", address: "192.0.2.1" },
    requestId: "request-1",
    traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    variant: "stable",
    headers: {},
    startedAt: performance.now(),
    deadline: new Deadline(10_000),
    ...given,
  };
}

export async function startOwnRedis() {
  const port = await freePort();
  const url = `redis://127.0.0.1:${port}`;
  let server: ChildProcess | undefined;

  async function start(): Promise<void> {
    const settings = ["--port", `${port}`, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"];
    server = spawn("redis-server", settings, { stdio: "ignore" });
    const probe = connectRedis(url, { maxRetriesPerRequest: 50 });
    await probe.ping();
    probe.disconnect();
  }
  await start();

  return {
    url,
    start,
    async connect(): Promise<Redis> {
      const redis = connectRedis(url);
      await redis.ping();
      return redis;
    },
    async kill(): Promise<void> {
      if (server === undefined || server.exitCode !== null || server.signalCode !== null) return;
      const gone = once(server, "exit");
      server.kill("SIGKILL");
      await gone;
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  return port;
}

// A Postgres and a Redis of their own for one test run, on free ports and in a temporary folder, gone afterwards.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { freePort } from "@signalbox/core/testing/free-port";
import { Fault } from "../fault.ts";
import { identify, sendSignal, waitUntilGone } from "../process-identity.ts";
import { lastWords } from "../supervisor/last-words.ts";
import { closeLog, openLog } from "../supervisor/log-file.ts";
import type { Launch } from "../supervisor/role.ts";
import { embeddedDatabaseUrl, postgresAccepts, preparePostgres } from "./postgres.ts";
import { pingRedis, prepareRedis, requireRedis } from "./redis.ts";

export type TestEngines = { databaseUrl: string; redisUrl: string; stop: () => Promise<void> };

export async function startTestEngines(): Promise<TestEngines> {
  const folder = mkdtempSync(join(tmpdir(), "signalbox-test-"));
  const stops: (() => Promise<void>)[] = [];
  const stop = async () => {
    await Promise.all(stops.map((end) => end()));
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    const [databaseUrl, redisUrl] = await Promise.all([
      startPostgres(folder, stops),
      startRedis(folder, stops),
    ]);
    return { databaseUrl, redisUrl, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function startPostgres(base: string, stops: (() => Promise<void>)[]): Promise<string> {
  const [folder, port, password] = [join(base, "postgres"), await freePort(), "test"];
  const launch = await preparePostgres({ folder, port, password, throwaway: true });
  stops.push(start("postgres", launch(), join(base, "postgres.log"), "SIGQUIT"));
  await until("postgres", join(base, "postgres.log"), () => postgresAccepts(port));
  return embeddedDatabaseUrl(port, password, "postgres");
}

async function startRedis(base: string, stops: (() => Promise<void>)[]): Promise<string> {
  const binary = await requireRedis((text) => console.error(text));
  const port = await freePort();
  const url = `redis://127.0.0.1:${port}`;
  stops.push(
    start("redis", prepareRedis(binary, join(base, "redis"), port)(), join(base, "redis.log"), "SIGKILL"),
  );
  await until("redis", join(base, "redis.log"), async () => (await pingRedis(url)) === "ready");
  return url;
}

function start(name: string, launch: Launch, logPath: string, signal: NodeJS.Signals): () => Promise<void> {
  const log = openLog(logPath);
  const { command, args, ...options } = launch;
  const child = spawn(command, args, { ...options, stdio: ["ignore", log, log], detached: true });
  closeLog(log);
  child.once("error", (error) => console.error(`${name}: ${error.message}`));
  child.unref();
  return async () => {
    const identity = child.pid ? identify(child.pid) : undefined;
    if (!identity) return;
    sendSignal(identity, signal);
    if (!(await waitUntilGone(identity, 5000))) sendSignal(identity, "SIGKILL");
  };
}

async function until(name: string, log: string, ready: () => Promise<boolean>): Promise<void> {
  for (const end = performance.now() + 20_000; performance.now() < end; await pause(20))
    if (await ready()) return;
  throw new Fault(`The ${name} for the tests did not start: ${lastWords(log)}`, "Run: ./signalbox doctor");
}

// A Redis that a test may stop, kill and start again; it ends with the test.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { connectRedis } from "../redis.ts";
import { freePort } from "./free-port.ts";

export type OwnRedis = {
  readonly url: string;
  pause(): void;
  resume(): void;
  kill(): Promise<void>;
  /** On the same port as before. */
  start(): Promise<void>;
  /** Kills it and takes its data away. */
  end(): Promise<void>;
};

const startMs = 30_000;

/** `isCluster`: a Cluster of one server, which has all slots. */
export async function startOwnRedis({ keepsData = true, isCluster = false } = {}): Promise<OwnRedis> {
  const dir = await mkdtemp(join(tmpdir(), "signalbox-redis-"));
  let port = 0;
  let server: ChildProcess | undefined;

  const isGone = (one: ChildProcess) => one.exitCode !== null || one.signalCode !== null;
  const endWithTest = () => void server?.kill("SIGKILL");
  process.once("exit", endWithTest);

  async function kill(): Promise<void> {
    if (server === undefined || isGone(server)) return;
    const gone = once(server, "exit");
    server.kill("SIGKILL");
    await gone;
  }

  /** Whether it is this server that answers on the port: another process may have been quicker. */
  async function comesUp(starting: ChildProcess, untilMs: number): Promise<boolean> {
    const probe = connectRedis(`redis://127.0.0.1:${port}`, {
      commandTimeout: 1_000,
      retryStrategy: () => 50,
    });
    try {
      while (!isGone(starting) && performance.now() < untilMs) {
        const said = await probe.info("server").catch(() => "");
        if (said.includes(`process_id:${starting.pid}\r`)) {
          if (isCluster) {
            await probe.cluster("ADDSLOTSRANGE", 0, 16_383);
            // It takes two seconds to believe that it is all there is.
            while (!String(await probe.cluster("INFO")).includes("cluster_state:ok")) await pause(20);
          }
          return true;
        }
        await pause(20);
      }
      return false;
    } finally {
      probe.disconnect();
    }
  }

  async function start(): Promise<void> {
    const isFirst = port === 0;
    for (const untilMs = performance.now() + startMs; performance.now() < untilMs; ) {
      if (isFirst) port = await freePort();
      server = spawn(
        "redis-server",
        ["--port", `${port}`, "--bind", "127.0.0.1", "--dir", dir].concat(
          ["--appendonly", keepsData ? "yes" : "no", "--save", ""],
          isCluster
            ? [
                "--cluster-enabled",
                "yes",
                "--cluster-announce-ip",
                "127.0.0.1",
                "--cluster-port",
                `${await freePort()}`,
              ]
            : [],
        ),
        { stdio: "ignore" },
      );
      if (await comesUp(server, untilMs)) return;
      await kill();
    }
    throw new Error(`redis-server did not answer on port ${port} within ${startMs} ms`);
  }

  await start();
  return {
    url: `redis://127.0.0.1:${port}`,
    start,
    kill,
    pause: () => void server?.kill("SIGSTOP"),
    resume: () => void server?.kill("SIGCONT"),
    async end() {
      await kill();
      process.off("exit", endWithTest);
      await rm(dir, { recursive: true, force: true });
    },
  };
}

// Real processes in any role, on ports of their own, for tests and benchmarks of what runs apart.

import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { freePort } from "@signalbox/core/testing/free-port";

const mains = {
  api: join(import.meta.dirname, "../main.ts"),
  worker: join(import.meta.dirname, "../../../workers/src/main.ts"),
};

export type Started = {
  pid: number;
  port: number;
  url: string;
  /** Of one that has it. */
  operatorUrl: string;
  child: ChildProcess;
  output(): string;
  /** In good order, as an orchestrator would. */
  stop(): Promise<void>;
  kill(): Promise<void>;
};

export type Processes = {
  secret: string;
  operatorToken: string;
  operatorTokenFile: string;
  start(env: Record<string, string>, port?: number): Promise<Started>;
  close(): Promise<void>;
};

export function createProcesses(engines: { databaseUrl: string; redisUrl: string }): Processes {
  const folder = mkdtempSync(join(tmpdir(), "signalbox-processes-"));
  const secret = randomBytes(32).toString("base64url");
  const operatorToken = `sbo_${randomBytes(32).toString("base64url")}`;
  const operatorTokenFile = join(folder, "operator-token");
  writeFileSync(operatorTokenFile, operatorToken, { mode: 0o600 });
  const running = new Set<Started>();

  return {
    secret,
    operatorToken,
    operatorTokenFile,
    async start(env, given) {
      const port = given ?? (await freePort());
      const operatorPort = await freePort();
      const role = env.SIGNALBOX_ROLE ?? "all";
      const { NODE_TEST_CONTEXT: _, ...inherited } = process.env;
      const child = spawn(process.execPath, [role === "worker" ? mains.worker : mains.api], {
        stdio: ["ignore", "pipe", "inherit"],
        env: {
          ...inherited,
          NODE_ENV: "production",
          LOG_LEVEL: "warn",
          DATABASE_URL: engines.databaseUrl,
          REDIS_URL: engines.redisUrl,
          SIGNALBOX_SECRET: secret,
          SIGNALBOX_OPERATOR_TOKEN_FILE: operatorTokenFile,
          SIGNALBOX_DATA_DIR: join(folder, `data-${port}`),
          SIGNALBOX_PUBLIC_URL: "http://127.0.0.1:8080",
          SIGNALBOX_POOL_SIZE: "4",
          SIGNALBOX_GATEWAY_PORT: `${port}`,
          SIGNALBOX_OPERATOR_PORT: role === "all" ? `${operatorPort}` : `${port}`,
          SIGNALBOX_SERVICE_PORT: `${port}`,
          SIGNALBOX_HEALTH_PORT: role === "worker" ? `${port}` : "0",
          ...env,
        },
      });
      let text = "";
      child.stdout!.setEncoding("utf8").on("data", (chunk: string) => {
        text += chunk;
      });
      const exited = once(child, "exit");
      const end = async (signal: NodeJS.Signals) => {
        running.delete(started);
        child.kill(signal);
        await exited;
      };
      const started: Started = {
        pid: child.pid!,
        port,
        operatorUrl: `http://127.0.0.1:${role === "all" ? operatorPort : port}`,
        url: `http://127.0.0.1:${port}`,
        child,
        output: () => text,
        stop: () => end("SIGTERM"),
        kill: () => end("SIGKILL"),
      };
      running.add(started);
      for (let left = 300; ; left -= 1) {
        const ready = await fetch(`${started.url}/readyz`).catch(() => undefined);
        if (ready?.ok) return started;
        if (child.exitCode !== null || left === 0)
          throw new Error(`the ${role} on port ${port} did not become ready:\n${text}`);
        await pause(100);
      }
    },
    async close() {
      await Promise.all([...running].map((each) => each.kill()));
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Processor time that a process has used, in seconds. */
export function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ");
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

// The api as its own process, as the platform starts it, on real engines and with ports of its own.

import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { mintOperatorSession, sessionMs } from "@signalbox/control/operator-session";
import { connectRedis } from "@signalbox/core/redis";
import { createTestDatabase } from "@signalbox/db/testing";

export type RunningApi = {
  public: string;
  operator: string;
  operatorToken: string;
  /** Of a second one, who may approve what the first one proposes. */
  operatorCookie: string;
  /** Lines of calls that failed. */
  faults: string[];
  isAlive(): boolean;
  stop(): Promise<void>;
};

const startMs = 60_000;
const stopMs = 20_000;

export async function startApi(): Promise<RunningApi> {
  const database = await createTestDatabase();
  // Counters of failed sign-ins and the like must neither come from other tests nor stay for them.
  const redisUrl = new URL("/14", process.env.TEST_REDIS_URL).href;
  const redis = connectRedis(redisUrl);
  await redis.flushdb();
  const folder = mkdtempSync(join(tmpdir(), "signalbox-fuzz-"));
  const operatorToken = `sbo_${randomBytes(32).toString("base64url")}`;
  writeFileSync(join(folder, "token"), operatorToken);
  const secret = randomBytes(32).toString("base64url");
  const second = {
    id: "second",
    name: "second operator",
    role: "admin",
    expiresAt: Date.now() + sessionMs,
  } as const;
  const child: ChildProcess = spawn(process.execPath, [join(import.meta.dirname, "../main.ts")], {
    stdio: ["ignore", "pipe", "inherit"],
    env: {
      PATH: process.env.PATH,
      DATABASE_URL: database.url,
      REDIS_URL: redisUrl,
      // Each request says that it comes from somewhere else, so that no limit by address ends the run early.
      SIGNALBOX_TRUSTED_PROXIES: "127.0.0.1",
      SIGNALBOX_SECRET: secret,
      SIGNALBOX_OPERATOR_TOKEN_FILE: join(folder, "token"),
      SIGNALBOX_DATA_DIR: folder,
      SIGNALBOX_GATEWAY_PORT: "0",
      SIGNALBOX_OPERATOR_PORT: "0",
      SIGNALBOX_ARGON2_KIB: "7168",
      SIGNALBOX_ARGON2_PASSES: "1",
    },
  });
  const exit = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const endWithTest = () => void child.kill("SIGKILL");
  process.once("exit", endWithTest);
  async function stop(): Promise<void> {
    child.kill("SIGTERM");
    const late = setTimeout(() => child.kill("SIGKILL"), stopMs);
    await exit;
    clearTimeout(late);
    process.off("exit", endWithTest);
    await redis.flushdb().catch(() => {});
    redis.disconnect();
    rmSync(folder, { recursive: true, force: true });
    await database.drop();
  }
  const faults: string[] = [];
  const {
    promise: listening,
    resolve,
    reject,
  } = Promise.withResolvers<{ gateway: number; operator: number }>();
  child.once("exit", (code) => reject(new Error(`the api ended with ${code} before it listened`)));
  createInterface({ input: child.stdout! }).on("line", (text) => {
    const line = text.startsWith("{") ? JSON.parse(text) : { level: "error" };
    if (line.msg === "listening") resolve({ gateway: line.gateway.port, operator: line.operator.port });
    // What other installs on the same Redis say is none of ours, and is refused with a line without a request.
    if (line.level === "fatal" || (line.level === "error" && line.requestId)) faults.push(text);
  });
  const late = setTimeout(() => reject(new Error(`the api did not listen within ${startMs} ms`)), startMs);
  const ports = await listening
    .catch(async (error) => {
      await stop();
      throw error;
    })
    .finally(() => clearTimeout(late));
  return {
    public: `http://127.0.0.1:${ports.gateway}`,
    operator: `http://127.0.0.1:${ports.operator}`,
    operatorToken,
    operatorCookie: `sb_session=${mintOperatorSession(secret, second)}`,
    faults,
    isAlive: () => child.exitCode === null && child.signalCode === null,
    stop,
  };
}

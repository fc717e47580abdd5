// The Redis of an install: a redis-server or valkey-server of this machine, on its own port and folder.
import { spawn } from "node:child_process";
import { accessSync, constants, existsSync, mkdirSync, readdirSync } from "node:fs";
import { connect } from "node:net";
import { delimiter, join } from "node:path";
import { Fault } from "../fault.ts";
import type { Launch } from "../supervisor/role.ts";
import { engineUser, giveTo } from "./system-user.ts";

const names = ["redis-server", "valkey-server"];

export function findRedis(): string | undefined {
  for (const folder of (process.env.PATH ?? "").split(delimiter).filter(Boolean)) {
    for (const name of names) {
      const path = join(folder, name);
      try {
        accessSync(path, constants.X_OK);
        return path;
      } catch {
        // Not here.
      }
    }
  }
  return undefined;
}

export const redisMend =
  process.platform === "darwin"
    ? "Type: brew install redis"
    : existsSync("/etc/debian_version")
      ? "Type: sudo apt-get install -y redis-server"
      : "Install redis-server or valkey-server with the system's package manager, or set REDIS_URL.";

// Installs it where that is ours to do; `say` hears about progress.
export async function requireRedis(say: (text: string) => void): Promise<string> {
  const found = findRedis();
  if (found) return found;
  const fault = new Fault("Neither redis-server nor valkey-server is on the PATH.", redisMend);
  if (process.getuid?.() !== 0 || !existsSync("/usr/bin/apt-get")) throw fault;
  say("installing redis-server with apt-get");
  // The package lists may be missing or old on a fresh machine, so they are read when the first try fails.
  for (const attempt of [["install"], ["update", "install"]]) {
    let done = true;
    for (const step of attempt) done = done && (await aptGet(step, "redis-server"));
    const installed = done ? findRedis() : undefined;
    if (installed) return installed;
  }
  throw new Fault(
    "redis-server could not be installed.",
    "Type: apt-get update && apt-get install -y redis-server",
  );
}

export function aptGet(step: string, ...packages: string[]): Promise<boolean> {
  const words =
    step === "update" ? ["update", "-q"] : ["install", "-y", "-q", "--no-install-recommends", ...packages];
  return new Promise((resolve) => {
    const child = spawn("/usr/bin/apt-get", words, {
      stdio: "ignore",
      env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
    });
    child.once("error", () => resolve(false));
    child.once("close", (code) => resolve(code === 0));
  });
}

export function prepareRedis(binary: string, folder: string, port: number): () => Launch {
  const user = engineUser();
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  giveTo(user, folder);
  // Files that root wrote before (a restore, say) must stay readable for the engine's own user.
  for (const entry of readdirSync(folder, { recursive: true })) giveTo(user, join(folder, String(entry)));
  return () => ({
    command: binary,
    args: [
      ...["--port", String(port), "--bind", "127.0.0.1", "--dir", ".", "--daemonize", "no"],
      ...["--appendonly", "yes", "--appendfsync", "everysec", "--save", ""],
      ...["--maxmemory-policy", "noeviction", "--databases", "16"],
    ],
    cwd: folder,
    env: { PATH: process.env.PATH ?? "", TZ: "UTC" },
    ...user,
  });
}

export type RedisAnswer = "ready" | "starting" | "refused" | "unreachable" | "wrong-password";

// Says PING over a bare socket, signing in when the URL carries a password.
export async function pingRedis(url: string, withinMs = 1000): Promise<RedisAnswer> {
  const tls = url.startsWith("rediss:") ? await import("node:tls") : undefined;
  return new Promise((resolve) => {
    const { hostname, port, username, password } = new URL(url);
    const target = { host: hostname || "127.0.0.1", port: Number(port) || 6379 };
    const socket = tls ? tls.connect({ ...target, servername: hostname }) : connect(target);
    const done = (answer: RedisAnswer) => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(withinMs, () => done("unreachable"));
    socket.once("error", (error: NodeJS.ErrnoException) =>
      done(error.code === "ECONNREFUSED" ? "refused" : "unreachable"),
    );
    socket.once("close", () => done("unreachable"));
    const words = [username, password].filter(Boolean).map(decodeURIComponent);
    if (words.length) socket.write(command("AUTH", ...words));
    socket.write(command("PING"));
    let text = "";
    socket.on("data", (chunk) => {
      text += chunk;
      if (text.includes("+PONG")) done("ready");
      else if (/-(WRONGPASS|NOAUTH|ERR AUTH|ERR invalid password)/.test(text)) done("wrong-password");
      else if (text.includes("-LOADING")) done("starting");
    });
  });
}

export async function requireAnsweringRedis(url: string): Promise<void> {
  // Sentinel and Cluster forms name several hosts; the roles' own client finds its way among them.
  if (!/^(redis|valkey)s?:\/\//.test(url)) return;
  const { host } = new URL(url);
  const answer = await pingRedis(url.replace(/^valkey/, "redis"), 5000);
  if (answer === "wrong-password")
    throw new Fault(`Redis at ${host} refused the password.`, "Correct the user and password in REDIS_URL.");
  if (answer === "refused" || answer === "unreachable")
    throw new Fault(`Nothing answers at ${host}.`, "Start that Redis, or correct REDIS_URL.");
}

const command = (...words: string[]) =>
  `*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join("")}`;

// What the whole-process tests share: a scratch data folder, the command itself, and installs of stand-ins.
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { TestContext } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { readJson } from "../files.ts";
import { isFree, portsFrom } from "../ports.ts";
import { root } from "../repository.ts";
import type { InstallOptions } from "../roles.ts";
import type { InstallState, RunFile } from "../supervisor/supervisor.ts";

export const main = join(root, "apps/cli/src/main.ts");

export type Ended = { code: number | null; out: string; err: string };

// The environment of the test runner itself is not handed on: it would make the command think it is a test file.
function cleanEnvironment(more: Record<string, string> = {}): NodeJS.ProcessEnv {
  const { NODE_TEST_CONTEXT: _, DATABASE_URL: _d, REDIS_URL: _r, ...rest } = process.env;
  return { ...rest, ...more };
}

export type RunOptions = { env?: Record<string, string>; uid?: number; gid?: number; cwd?: string };

export function signalbox(words: string[], { env, ...options }: RunOptions = {}): Promise<Ended> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [main, ...words], { ...options, env: cleanEnvironment(env) });
    let [out, err] = ["", ""];
    child.stdout.on("data", (chunk) => (out += chunk));
    child.stderr.on("data", (chunk) => (err += chunk));
    child.once("close", (code) => resolve({ code, out, err }));
  });
}

export async function freePortBase(): Promise<number> {
  for (;;) {
    // Below those that the system gives to outgoing connections.
    const base = 10_000 + Math.floor(Math.random() * 13_000);
    const free = await Promise.all(Object.values(portsFrom(base)).map((port) => isFree(port, "127.0.0.1")));
    if (free.every(Boolean)) return base;
  }
}

export function scratchFolder(context: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "signalbox-cli-"));
  context.after(async () => {
    await signalbox(["down", "--data-dir", folder]);
    rmSync(folder, { recursive: true, force: true });
  });
  return folder;
}

export type StandIns = {
  child: ChildProcess;
  words: { kind: string; text?: string; message?: string }[];
  heard: (what: RegExp) => Promise<void>;
};

export function startStandIns(options: Partial<InstallOptions>, env: Record<string, string> = {}): StandIns {
  const all = { host: "127.0.0.1", console: false, watch: false, ...options };
  const file = join(root, "apps/cli/src/testing/stand-in-install.ts");
  const child = spawn(process.execPath, [file, JSON.stringify(all)], {
    env: cleanEnvironment(env),
    stdio: ["ignore", "pipe", "inherit"],
  });
  const words: StandIns["words"] = [];
  createInterface({ input: child.stdout }).on("line", (line) => words.push(JSON.parse(line)));
  const heard = (what: RegExp) =>
    eventually(
      () => words.some((word) => what.test(`${word.kind} ${word.text ?? word.message ?? ""}`)),
      String(what),
    );
  return { child, words, heard };
}

export async function eventually(holds: () => boolean | Promise<boolean>, what = "it", withinMs = 20_000) {
  for (const end = performance.now() + withinMs; performance.now() < end; await pause(25))
    if (await holds()) return;
  throw new Error(`${what} did not come true within ${withinMs} ms`);
}

export const stateOf = (folder: string) => readJson<InstallState>(join(folder, "state.json"));
export const runFileOf = (folder: string) => readJson<RunFile>(join(folder, "run.json"));
export const processOf = (folder: string, name: string) =>
  stateOf(folder)?.processes.find((process) => process.name === name);

// The console's production build, made again only when something it is built from has changed.
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { machineEnvironment } from "./configuration.ts";
import { Fault } from "./fault.ts";
import { readJson } from "./files.ts";
import { type Identity, identify, isAlive } from "./process-identity.ts";
import { root } from "./repository.ts";

export const consoleFolder = join(root, "apps/console");
const output = join(consoleFolder, ".next");
const standalone = join(output, "standalone/apps/console");
const stamp = join(output, "signalbox-build");
const next = join(root, "node_modules/next/dist/bin/next");

// What the browser and server bundles are made of, the types of the modules included.
const inputs = [
  "apps/console",
  "packages/ui",
  "packages/modules/src",
  "packages/control/src",
  "package-lock.json",
];
// The build itself writes next-env.d.ts.
const skipped = new Set(["node_modules", ".next", ".turbo", "next-env.d.ts"]);

export async function buildConsole(
  say: (text: string) => void,
  signal: AbortSignal,
  marks: Record<string, string>,
): Promise<void> {
  const wanted = inputsHash();
  if (read(stamp) === wanted) return;
  const release = await lockBuild(say);
  try {
    if (read(stamp) === wanted) return;
    say("building the console for production (once, and after changes)");
    rmSync(stamp, { force: true });
    const { code, text } = await runBuild(signal, marks);
    if (signal.aborted) return;
    if (code !== 0) {
      const line = text.split("\n").findLast((row) => /error/i.test(row)) ?? "next build failed";
      throw new Fault(
        `The console could not be built: ${line.trim().slice(0, 300)}.`,
        "See the whole of it: npm run build --workspace @signalbox/console; or start without it: --no-console",
      );
    }
    // The standalone server holds what it needs to run, except the files that browsers fetch.
    cpSync(join(output, "static"), join(standalone, ".next/static"), { recursive: true });
    const open = join(consoleFolder, "public");
    if (existsSync(open)) cpSync(open, join(standalone, "public"), { recursive: true });
    writeFileSync(stamp, wanted);
  } finally {
    release();
  }
}

export function consoleLaunch(watch: boolean, port: number, host: string): { args: string[]; cwd: string } {
  if (!watch) return { args: [join(standalone, "server.js")], cwd: standalone };
  return { args: [next, "dev", "--port", String(port), "--hostname", host], cwd: consoleFolder };
}

function runBuild(signal: AbortSignal, marks: Record<string, string>) {
  return new Promise<{ code: number | null; text: string }>((resolve) => {
    const child = spawn(process.execPath, [next, "build"], {
      cwd: consoleFolder,
      env: { ...machineEnvironment(), ...marks, NODE_ENV: "production", NEXT_TELEMETRY_DISABLED: "1" },
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
    });
    // The build has helpers of its own, so all of its session ends.
    const end = () => child.pid && process.kill(-child.pid, "SIGKILL");
    signal.addEventListener("abort", end, { once: true });
    child.once("close", () => signal.removeEventListener("abort", end));
    let text = "";
    child.stdout.on("data", (chunk) => (text += chunk));
    child.stderr.on("data", (chunk) => (text += chunk));
    child.once("error", (error) => resolve({ code: 1, text: error.message }));
    child.once("close", (code) => resolve({ code, text }));
  });
}

function inputsHash(): string {
  const hash = createHash("sha256").update(process.version);
  for (const input of inputs)
    for (const path of filesBelow(join(root, input))) hash.update(path).update(readFileSync(path));
  return hash.digest("hex");
}

function filesBelow(path: string): string[] {
  if (!existsSync(path)) return [];
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path)
    .sort()
    .filter((name) => !skipped.has(name) && !name.endsWith(".test.ts") && !name.endsWith(".tsbuildinfo"))
    .flatMap((name) => filesBelow(join(path, name)));
}

// Two installs of one checkout build once.
async function lockBuild(say: (text: string) => void): Promise<() => void> {
  const lock = join(root, "node_modules", ".cache", "signalbox-console-build");
  mkdirSync(join(lock, ".."), { recursive: true });
  for (let told = false; ; ) {
    try {
      writeFileSync(lock, JSON.stringify(identify(process.pid)), { flag: "wx" });
      return () => rmSync(lock, { force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
    const holder = readJson<Identity>(lock);
    if (holder && !isAlive(holder)) rmSync(lock, { force: true });
    if (!told) say("another process is building the console: waiting for it");
    told = true;
    await new Promise((wake) => setTimeout(wake, 300));
  }
}

const read = (path: string) => (existsSync(path) ? readFileSync(path, "utf8") : undefined);

// A process is known by its pid and the moment it started, so that a recycled pid is never taken for ours.
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";

export type Identity = { pid: number; startedAt: string };

const linux = process.platform === "linux";

function readStat(pid: number): { state: string; startedAt: string } | undefined {
  if (!linux) {
    try {
      const line = execFileSync("ps", ["-o", "state=,lstart=", "-p", String(pid)], {
        encoding: "utf8",
      }).trim();
      return { state: line[0] ?? "Z", startedAt: line.slice(line.indexOf(" ")).trim() };
    } catch {
      return undefined;
    }
  }
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The name in brackets may hold spaces and brackets itself.
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return { state: fields[0]!, startedAt: `${bootId()}:${fields[19]}` };
  } catch {
    return undefined;
  }
}

let boot: string | undefined;
function bootId(): string {
  boot ??= readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  return boot;
}

export function identify(pid: number): Identity | undefined {
  const stat = readStat(pid);
  return stat && stat.state !== "Z" ? { pid, startedAt: stat.startedAt } : undefined;
}

export function isAlive({ pid, startedAt }: Identity): boolean {
  return identify(pid)?.startedAt === startedAt;
}

// Resolves to whether it has gone in time.
export async function waitUntilGone(identity: Identity, withinMs: number): Promise<boolean> {
  const end = performance.now() + withinMs;
  while (isAlive(identity)) {
    if (performance.now() > end) return false;
    await new Promise((wake) => setTimeout(wake, 25));
  }
  return true;
}

export function sendSignal({ pid, startedAt }: Identity, signal: NodeJS.Signals): void {
  if (!isAlive({ pid, startedAt })) return;
  try {
    process.kill(pid, signal);
  } catch {
    // It went in between.
  }
}

// Every process whose environment says NAME=VALUE: finds what a state file could not record in time.
export function findByEnvironment(name: string, value: string): (Identity & { label: string })[] {
  if (!linux) return [];
  const wanted = `${name}=${value}`;
  const found: (Identity & { label: string })[] = [];
  for (const entry of readdirSync("/proc")) {
    const pid = Number(entry);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    try {
      const environment = readFileSync(`/proc/${pid}/environ`, "utf8").split("\0");
      if (!environment.includes(wanted)) continue;
      const identity = identify(pid);
      const label = environment.find((line) => line.startsWith("SIGNALBOX_NAME="))?.slice(15);
      if (identity) found.push({ ...identity, label: label ?? `pid ${pid}` });
    } catch {
      // Another user's process, or gone.
    }
  }
  return found;
}

export function commandLine(pid: number): string {
  try {
    if (!linux) return execFileSync("ps", ["-o", "command=", "-p", String(pid)], { encoding: "utf8" }).trim();
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").join(" ").trim();
  } catch {
    return "";
  }
}

export function workingFolder(pid: number): string | undefined {
  try {
    if (linux) return readlinkSync(`/proc/${pid}/cwd`);
    const lines = execFileSync("lsof", ["-a", "-p", String(pid), "-d", "cwd", "-Fn"], { encoding: "utf8" });
    return lines
      .split("\n")
      .find((line) => line.startsWith("n"))
      ?.slice(1);
  } catch {
    return undefined;
  }
}

// Memory of a process and all it started. Shared pages are divided among those who share them, where the system tells.
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";

export function memoryOf(pid: number, withDescendants = true): number {
  if (process.platform !== "linux") {
    try {
      return Number(execFileSync("ps", ["-o", "rss=", "-p", String(pid)], { encoding: "utf8" })) * 1024;
    } catch {
      return 0;
    }
  }
  if (!withDescendants) return ownMemory(pid);
  return [pid, ...descendants(pid)].reduce((sum, each) => sum + ownMemory(each), 0);
}

function ownMemory(pid: number): number {
  for (const [file, field] of [
    ["smaps_rollup", "Pss"],
    ["status", "VmRSS"],
  ] as const) {
    try {
      const match = new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(
        readFileSync(`/proc/${pid}/${file}`, "utf8"),
      );
      if (match) return Number(match[1]) * 1024;
    } catch {
      // Not ours to read, or gone: the coarser figure, or none.
    }
  }
  return 0;
}

function descendants(parent: number): number[] {
  const children = new Map<number, number[]>();
  for (const entry of readdirSync("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      const text = readFileSync(`/proc/${entry}/stat`, "utf8");
      const above = Number(text.slice(text.lastIndexOf(")") + 4).split(" ")[0]);
      children.set(above, [...(children.get(above) ?? []), Number(entry)]);
    } catch {
      // Gone.
    }
  }
  const below = (pid: number): number[] =>
    (children.get(pid) ?? []).flatMap((child) => [child, ...below(child)]);
  return below(parent);
}

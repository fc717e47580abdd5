// All of a server at once: engines give their processes sessions of their own, so a group's signal does not reach them.

import { readdirSync, readFileSync } from "node:fs";

/** A process and all that it started: they hang, as on a machine that is swapped out or a network that drops everything. */
export function familyOf(pid: number): number[] {
  const below = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => {
      try {
        const stat = readFileSync(`/proc/${name}/stat`, "utf8");
        return Number(stat.slice(stat.lastIndexOf(")") + 4).split(" ")[0]) === pid;
      } catch {
        return false;
      }
    });
  return [pid, ...below.flatMap((name) => familyOf(Number(name)))];
}

export const signalAll = (pids: number[], signal: NodeJS.Signals) => {
  for (const pid of pids)
    try {
      process.kill(pid, signal);
    } catch {
      // Gone by itself.
    }
};

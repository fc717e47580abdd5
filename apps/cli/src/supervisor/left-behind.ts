// What a killed supervisor left running: found by what it wrote down, by a mark in each environment, and ended in order.
import type { DataDir } from "../data-dir.ts";
import { leftPostgres } from "../engines/postgres.ts";
import { readJson } from "../files.ts";
import { findByEnvironment, type Identity, isAlive, sendSignal, waitUntilGone } from "../process-identity.ts";
import type { InstallState } from "./supervisor.ts";

// Carried by every process of an install, so that one is known even if it was started a moment before the kill.
export const mark = "SIGNALBOX_INSTALL";

export type LeftProcess = Identity & { name: string };

export function leftBehind(dir: DataDir): LeftProcess[] {
  const found = new Map<number, LeftProcess>();
  for (const { name, process } of readJson<InstallState>(dir.stateFile)?.processes ?? [])
    if (process && isAlive(process)) found.set(process.pid, { name, ...process });
  const postgres = leftPostgres(dir.postgres);
  if (postgres) found.set(postgres.pid, { name: "postgres", ...postgres });
  for (const { label, ...identity } of findByEnvironment(mark, dir.path))
    if (!found.has(identity.pid)) found.set(identity.pid, { name: label, ...identity });
  return [...found.values()];
}

export async function endLeftBehind(left: LeftProcess[]): Promise<void> {
  const engines = ["postgres", "redis"];
  await endAll(
    left.filter(({ name }) => !engines.includes(name)),
    "SIGTERM",
    4000,
  );
  await endAll(
    left.filter(({ name }) => name === "redis"),
    "SIGTERM",
    3000,
  );
  await endAll(
    left.filter(({ name }) => name === "postgres"),
    "SIGINT",
    5000,
  );
}

async function endAll(processes: LeftProcess[], signal: NodeJS.Signals, withinMs: number): Promise<void> {
  await Promise.all(
    processes.map(async (process) => {
      sendSignal(process, signal);
      if (await waitUntilGone(process, withinMs)) return;
      sendSignal(process, "SIGKILL");
      await waitUntilGone(process, 1000);
    }),
  );
}

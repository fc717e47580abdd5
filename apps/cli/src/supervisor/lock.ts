// One supervisor per data folder: the lock names who holds it, and a dead holder's lock counts as free.
import { linkSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { readJson } from "../files.ts";
import { type Identity, identify, isAlive } from "../process-identity.ts";

export function lockHolder(path: string): Identity | undefined {
  const holder = readJson<Identity>(path);
  return holder && isAlive(holder) ? holder : undefined;
}

// Undefined when it is ours now, else who has it.
export function takeLock(path: string): Identity | undefined {
  const own = identify(process.pid);
  const temporary = `${path}.${process.pid}`;
  writeFileSync(temporary, JSON.stringify(own), { mode: 0o600 });
  try {
    for (;;) {
      try {
        linkSync(temporary, path);
        return undefined;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
      }
      const holder = lockHolder(path);
      if (holder) return holder;
      // Moved away rather than removed: of two that find it stale, one wins.
      try {
        renameSync(path, `${temporary}.stale`);
      } catch {
        // The other one won.
      }
      rmSync(`${temporary}.stale`, { force: true });
    }
  } finally {
    rmSync(temporary, { force: true });
  }
}

export function releaseLock(path: string): void {
  if (readJson<Identity>(path)?.pid === process.pid) rmSync(path, { force: true });
}

// A folder of backups: which there are, which may go, and a copy of one in another folder.
import {
  closeSync,
  copyFileSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
} from "node:fs";
import { basename, join } from "node:path";
import { isArchive } from "./take.ts";

export type Kept = { path: string; name: string; bytes: number; takenAt: Date };

/** When it was taken, by its name; undefined: not the name of one. */
export function takenAt(name: string): Date | undefined {
  const [, y, mo, d, h, mi, s] = /^backup-(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z/.exec(name) ?? [];
  return y && isArchive(name) ? new Date(`${y}-${mo}-${d}T${h}:${mi}:${s}Z`) : undefined;
}

/** The newest first. */
export function listBackups(folder: string): Kept[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .flatMap((name) => {
      const at = takenAt(name);
      const path = join(folder, name);
      return at ? [{ path, name, bytes: statSync(path).size, takenAt: at }] : [];
    })
    .sort((a, b) => b.takenAt.getTime() - a.takenAt.getTime());
}

/** Removes all but the newest; never the last one. Gives the names of what went. */
export function removeOld(folder: string, keep: number): string[] {
  const gone = listBackups(folder).slice(Math.max(1, keep));
  for (const { path } of gone) rmSync(path, { force: true });
  return gone.map(({ name }) => name);
}

/** Log that no kept backup needs any more. */
export function removeOldLog(log: string, firstNeeded: string): string[] {
  if (!existsSync(log)) return [];
  const gone = readdirSync(log).filter((name) => isBefore(name, firstNeeded));
  for (const name of gone) rmSync(join(log, name), { force: true });
  return gone;
}

/** Whether a file of the log ends before another begins; timelines do not count. */
export const isBefore = (name: string, other: string) =>
  /^[0-9A-F]{24}/.test(name) && name.slice(8, 24) < other.slice(8, 24);

/** Whole or not at all, and on the disk before it counts. */
export function copyWhole(path: string, folder: string): string {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const target = join(folder, basename(path));
  const partial = `${target}.partial`;
  copyFileSync(path, partial);
  const file = openSync(partial, "r+");
  fsyncSync(file);
  closeSync(file);
  renameSync(partial, target);
  return target;
}

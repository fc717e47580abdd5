// Lays a backup down in an empty folder as a database that comes up by itself: replays the log to the position that is asked
// for, and opens as a new timeline.
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { dirname, join, normalize, sep } from "node:path";
import { zstdDecompressSync } from "node:zlib";
import { Fault } from "../fault.ts";
import type { Archive } from "./archive.ts";
import { tarReader } from "./tar.ts";

export type Owner = { uid: number; gid: number } | undefined;

/** Where a restore ends: with the backup itself, with all of the log that is there, or at an instant. */
export type Until = { kind: "backup" } | { kind: "latest" } | { kind: "instant"; at: Date };

export const isEmpty = (folder: string) => !existsSync(folder) || readdirSync(folder).length === 0;

export async function layDatabase(
  archive: Archive,
  folder: string,
  { until, log, owner, isScratch = false }: { until: Until; log?: string; owner: Owner; isScratch?: boolean },
): Promise<void> {
  if (!isEmpty(folder))
    throw new Fault(
      `The folder ${folder} holds something already; a restore goes to an empty one.`,
      "Move it away, or choose another: --data-dir DIR; nothing was changed.",
    );
  await unpack(archive, "base.tar.zst", folder, owner, { isScratch });
  const wal = join(folder, "pg_wal");
  await unpack(archive, "wal.tar.zst", wal, owner, {
    isScratch,
    padTo: archive.manifest.postgres.segmentBytes,
  });
  if (until.kind !== "backup" && log) layLog(log, wal, archive, owner);
  const target =
    until.kind === "backup"
      ? [`recovery_target_lsn = '${archive.manifest.target}'`, "recovery_target_inclusive = off"]
      : until.kind === "instant"
        ? [`recovery_target_time = '${until.at.toISOString().replace("T", " ").replace("Z", "+00")}'`]
        : [];
  const own = join(folder, "postgresql.auto.conf");
  const kept = (existsSync(own) ? readFileSync(own, "utf8") : "")
    .split("\n")
    .filter((line) => !/^\s*(recovery_|restore_command|primary_)/.test(line));
  const lines = [
    ...kept.filter((line) => line !== ""),
    // All of the log that there is was laid into pg_wal.
    "restore_command = 'false'",
    "recovery_target_timeline = 'current'",
    "recovery_target_action = 'promote'",
    ...target,
  ];
  writeFileSync(own, `${lines.join("\n")}\n`, { mode: 0o600 });
  writeFileSync(join(folder, "recovery.signal"), "", { mode: 0o600 });
  for (const path of [own, join(folder, "recovery.signal")]) give(path, owner);
}

/** Gives how many files it wrote. */
export async function unpack(
  archive: Archive,
  member: string,
  folder: string,
  owner: Owner,
  { isScratch = false, padTo = 0 } = {},
): Promise<number> {
  makeFolder(folder, owner);
  let files = 0;
  let open: { file: number; path: string; size: number } | undefined;
  const reader = tarReader({
    begin({ name, kind, linkTo }) {
      if (linkTo) throw new Fault(`The backup holds a link (${name}), which is not restored.`, "");
      const path = normalize(join(folder, name));
      if (!`${path}${sep}`.startsWith(`${normalize(folder)}${sep}`))
        throw new Fault(`The backup holds a file outside of its folder: ${name}.`, "Do not trust this file.");
      if (kind === "folder") return makeFolder(path, owner);
      makeFolder(dirname(path), owner);
      open = { file: openSync(path, "w", 0o600), path, size: 0 };
      files += 1;
    },
    data(bytes) {
      for (let done = 0; done < bytes.length; ) done += writeSync(open!.file, bytes, done);
      open!.size += bytes.length;
    },
    end() {
      if (!open) return;
      if (open.size < padTo) writeSync(open.file, Buffer.alloc(padTo - open.size));
      if (!isScratch) fsyncSync(open.file);
      closeSync(open.file);
      give(open.path, owner);
      open = undefined;
    },
  });
  await archive.read(member, (bytes) => reader.write(bytes));
  reader.finish();
  return files;
}

/** The archived log from the backup's beginning on; the open segment too. */
function layLog(log: string, wal: string, { manifest }: Archive, owner: Owner): void {
  const { timeline, segmentBytes } = manifest.postgres;
  const prefix = timeline.toString(16).toUpperCase().padStart(8, "0");
  const first = readdirSync(wal)
    .filter((name) => name.startsWith(prefix))
    .sort()[0]!;
  for (const name of readdirSync(log).sort()) {
    const segment = name.slice(0, 24);
    if (!segment.startsWith(prefix) || segment < first || !/^[0-9A-F]{24}(\.zst|\.partial)?$/.test(name))
      continue;
    const bytes = readFileSync(join(log, name));
    let whole: Buffer;
    try {
      whole = name.endsWith(".zst") ? zstdDecompressSync(bytes) : bytes;
    } catch {
      throw new Fault(
        `The archived log ${join(log, name)} is damaged.`,
        "Restore to an instant before it, or to the backup itself: leave --at and --latest out.",
      );
    }
    const path = join(wal, segment);
    writeFileSync(path, Buffer.concat([whole, Buffer.alloc(segmentBytes - whole.length)]), { mode: 0o600 });
    give(path, owner);
  }
}

function makeFolder(path: string, owner: Owner): void {
  if (existsSync(path)) return;
  if (!existsSync(dirname(path))) makeFolder(dirname(path), owner);
  mkdirSync(path, { mode: 0o700 });
  chmodSync(path, 0o700);
  give(path, owner);
}

function give(path: string, owner: Owner): void {
  if (owner && process.getuid?.() === 0) chownSync(path, owner.uid, owner.gid);
}

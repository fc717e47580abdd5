// Where backups go a second time, on another disk or another machine: a folder, or a bucket of an S3 server.
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Fault } from "../fault.ts";
import { openArchive, peekManifest } from "./archive.ts";
import { type Bucket, isBucketAddress, openBucket } from "./bucket.ts";
import { logFolder, segmentOf } from "./log-archive.ts";
import { copyWhole, isBefore, removeOld, removeOldLog, takenAt } from "./store.ts";

export type SecondCopy = {
  where: string;
  put(path: string): Promise<void>;
  /** All but the newest, never the last one. Gives the names of what went. */
  removeOld(keep: number): Promise<string[]>;
  removeOldLog(firstNeeded: string): Promise<void>;
};

type Environment = Record<string, string | undefined>;

export function secondCopyAt(where: string, env: Environment): SecondCopy {
  return isBucketAddress(where) ? inBucket(bucketAt(where, env)) : inFolder(where);
}

export function bucketAt(address: string, env: Environment): Bucket {
  const region = env.S3_REGION ?? "us-east-1";
  const accessKeyId = env.S3_ACCESS_KEY_ID;
  const file = env.S3_SECRET_ACCESS_KEY_FILE;
  const secretAccessKey =
    env.S3_SECRET_ACCESS_KEY ?? (file && readFileSync(file, "utf8").replace(/\r?\n$/, ""));
  if (!accessKeyId || !secretAccessKey)
    throw new Fault(
      `There is no key for ${address}.`,
      "Set S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY_FILE; see docs/backup.md.",
    );
  const endpoint = env.S3_ENDPOINT ?? `https://s3.${region}.amazonaws.com`;
  return openBucket(address, { endpoint, region, accessKeyId, secretAccessKey });
}

const inFolder = (folder: string): SecondCopy => ({
  where: folder,
  async put(path) {
    await openArchive(copyWhole(path, folder));
  },
  removeOld: async (keep) => removeOld(folder, keep),
  async removeOldLog(firstNeeded) {
    removeOldLog(logFolder(folder), firstNeeded);
  },
});

const inBucket = (bucket: Bucket): SecondCopy => ({
  where: bucket.address,
  async put(path) {
    await bucket.make();
    await bucket.putFile(path.slice(path.lastIndexOf("/") + 1), path);
  },
  async removeOld(keep) {
    const gone = (await backupsIn(bucket)).slice(Math.max(1, keep));
    for (const { name } of gone) await bucket.remove(name);
    return gone.map(({ name }) => name);
  },
  async removeOldLog(firstNeeded) {
    for (const { name } of await bucket.list("wal/"))
      if (isBefore(name.slice(4), firstNeeded)) await bucket.remove(name);
  },
});

/** The newest first. */
export async function backupsIn(bucket: Bucket) {
  return (await bucket.list())
    .flatMap((stored) => {
      const at = takenAt(stored.name);
      return at ? [{ ...stored, takenAt: at }] : [];
    })
    .sort((a, b) => b.takenAt.getTime() - a.takenAt.getTime());
}

/**
 * Out of a bucket into a folder, with the log that goes on from it: `s3://bucket/prefix/NAME`, or without a name the newest that is
 * not after `until`.
 */
export async function fetchBackup(
  address: string,
  env: Environment,
  folder: string,
  until: Date | undefined,
): Promise<string> {
  const [, place = address, named] = /^(.*)\/(backup-[^/]*)$/.exec(address) ?? [];
  const bucket = bucketAt(place, env);
  const all = await backupsIn(bucket);
  const found = all.find(({ name, takenAt: at }) => (named ? name === named : !until || at <= until));
  if (!found)
    throw new Fault(
      `There is no ${named ?? (all.length ? "backup that old" : "backup")} in ${bucket.address}.`,
      `There are: ${all.map(({ name }) => name).join(", ") || "none"}; nothing was changed.`,
    );
  mkdirSync(join(folder, "wal"), { recursive: true, mode: 0o750 });
  const path = join(folder, found.name);
  await bucket.getFile(found.name, path);
  const manifest = peekManifest(path);
  // Who opens it says what is wrong with it.
  if (!manifest) return path;
  const { start, postgres } = manifest;
  const first = segmentOf(start, postgres.timeline, postgres.segmentBytes);
  for (const { name } of await bucket.list("wal/"))
    if (!isBefore(name.slice(4), first)) await bucket.getFile(name, join(folder, name));
  return path;
}

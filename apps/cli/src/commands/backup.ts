// backup: copies the whole running install, its keys included, to one file.
import { rmSync } from "node:fs";
import { basename, join } from "node:path";
import { isBucketAddress } from "../backup/bucket.ts";
import { backupsOf, readSource } from "../backup/origin.ts";
import { backupsIn, bucketAt, secondCopyAt } from "../backup/second-copy.ts";
import { listBackups, removeOld } from "../backup/store.ts";
import { rowsOf } from "../backup/tables.ts";
import { takeBackup } from "../backup/take.ts";
import { type Command, dataDirOption, wholeNumber } from "../command.ts";
import { readConfiguration } from "../configuration.ts";
import { chosenDataDir } from "../data-dir.ts";
import { dim, green } from "../screen.ts";

export const command: Command = {
  name: "backup",
  usage: "backup [--to PLACE] [--copy PLACE] [--keep N] [--passphrase-file FILE] [--list]",
  text: `Copies the running install to one file: the database, uploaded files, and its keys, sealed under the recovery key. The
platform goes on meanwhile. A file is whole or it is not there; every byte of it is covered by a checksum.
PLACE is a folder or a bucket, s3://bucket/prefix; S3_ENDPOINT, S3_REGION, S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY_FILE say where that is.`,
  words: 0,
  options: {
    to: { type: "string", value: "PLACE", text: "where to (default: backups in the data folder)" },
    copy: { type: "string", value: "PLACE", text: "a second copy elsewhere, on another disk or machine" },
    keep: { type: "string", value: "N", text: "afterwards remove all but the newest N" },
    "passphrase-file": { type: "string", value: "FILE", text: "seal the keys under what is in it instead" },
    list: { type: "boolean", text: "show which backups there are, and take none" },
    ...dataDirOption,
  },
  async run(values) {
    const configuration = readConfiguration(chosenDataDir(values));
    const [to, here] = [String(values.to ?? ""), backupsOf(isBucketAddress(String(values.to)) ? {} : values)];
    if (values.list) return isBucketAddress(to) ? listBucket(to, configuration) : list(here);
    // What goes to a bucket alone is in nobody's list meanwhile.
    const folder = isBucketAddress(to) ? join(here, `to-a-bucket-${process.pid}`) : here;
    const place = isBucketAddress(to) ? secondCopyAt(to, configuration) : undefined;
    const began = performance.now();
    try {
      const { path, bytes, manifest } = await takeBackup(readSource(values), folder, (text) =>
        console.log(dim(`  ${text}`)),
      );
      await place?.put(path);
      const took = ((performance.now() - began) / 1000).toFixed(1);
      const tables = Object.keys(manifest.tables).length;
      const where = place ? `${place.where}/${basename(path)}` : path;
      console.log(
        `  ${green("✓")} ${where}\n    ${megabytes(bytes)}, ${rowsOf(manifest.tables).toLocaleString("en")} rows in ${tables} tables, ${took} s`,
      );
      const copy = values.copy ?? configuration.SIGNALBOX_BACKUP_COPY;
      if (copy) {
        const second = secondCopyAt(String(copy), configuration);
        await second.put(path);
        console.log(`  ${green("✓")} a second copy in ${second.where}`);
      }
      const keep = values.keep === undefined ? undefined : wholeNumber(values, "keep", 7, 10_000);
      if (keep !== undefined)
        for (const name of place ? await place.removeOld(keep) : removeOld(here, keep))
          console.log(dim(`    removed ${name}`));
      console.log(dim(`    Prove that it can be restored: ./signalbox restore --drill ${where}`));
      return 0;
    } finally {
      if (place) rmSync(folder, { recursive: true, force: true });
    }
  },
};

async function listBucket(address: string, env: Record<string, string>): Promise<number> {
  const bucket = bucketAt(address, env);
  const kept = await backupsIn(bucket);
  for (const { name, bytes, takenAt } of kept) show(takenAt, bytes, `${bucket.address}/${name}`);
  if (!kept.length) console.log(`  There is no backup in ${bucket.address}.`);
  return 0;
}

function list(folder: string): number {
  const kept = listBackups(folder);
  for (const { path, bytes, takenAt } of kept) show(takenAt, bytes, path);
  if (!kept.length) console.log(`  There is no backup in ${folder}. Take one: ./signalbox backup`);
  return 0;
}

const show = (takenAt: Date, bytes: number, where: string) =>
  console.log(`  ${takenAt.toISOString()}  ${megabytes(bytes).padStart(10)}  ${where}`);

const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`;

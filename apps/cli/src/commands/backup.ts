// backup: copies the whole running install, its keys included, to one file.
import { rmSync } from "node:fs";
import { backupsOf, readSource } from "../backup/origin.ts";
import { copyWhole, listBackups, removeOld } from "../backup/store.ts";
import { rowsOf } from "../backup/tables.ts";
import { takeBackup } from "../backup/take.ts";
import { type Command, dataDirOption, wholeNumber } from "../command.ts";
import { readConfiguration } from "../configuration.ts";
import { chosenDataDir } from "../data-dir.ts";
import { dim, green } from "../screen.ts";

export const command: Command = {
  name: "backup",
  usage: "backup [--to DIR] [--copy DIR] [--keep N] [--passphrase-file FILE] [--list]",
  text: `Copies the running install to one file: the database, uploaded files, and its keys, sealed under the recovery key. The
platform goes on meanwhile. A file is whole or it is not there; every byte of it is covered by a checksum.`,
  words: 0,
  options: {
    to: { type: "string", value: "DIR", text: "where to (default: backups in the data folder)" },
    copy: { type: "string", value: "DIR", text: "a second copy elsewhere, on another disk" },
    keep: { type: "string", value: "N", text: "afterwards remove all but the newest N" },
    "passphrase-file": { type: "string", value: "FILE", text: "seal the keys under what is in it instead" },
    list: { type: "boolean", text: "show which backups there are, and take none" },
    ...dataDirOption,
  },
  async run(values) {
    const folder = backupsOf(values);
    if (values.list) return list(folder);
    const began = performance.now();
    const { path, bytes, manifest } = await takeBackup(readSource(values), folder, (text) =>
      console.log(dim(`  ${text}`)),
    );
    const took = ((performance.now() - began) / 1000).toFixed(1);
    const tables = Object.keys(manifest.tables).length;
    console.log(
      `  ${green("✓")} ${path}\n    ${megabytes(bytes)}, ${rowsOf(manifest.tables).toLocaleString("en")} rows in ${tables} tables, ${took} s`,
    );
    const copy = values.copy ?? readConfiguration(chosenDataDir(values)).SIGNALBOX_BACKUP_COPY;
    if (copy) {
      try {
        console.log(`  ${green("✓")} ${copyWhole(path, String(copy))}`);
      } catch (error) {
        rmSync(`${path}.partial`, { force: true });
        throw error;
      }
    }
    if (values.keep !== undefined)
      for (const name of removeOld(folder, wholeNumber(values, "keep", 7, 10_000)))
        console.log(dim(`    removed ${name}`));
    console.log(dim(`    Prove that it can be restored: ./signalbox restore --drill ${path}`));
    return 0;
  },
};

function list(folder: string): number {
  const kept = listBackups(folder);
  for (const { path, bytes, takenAt } of kept)
    console.log(`  ${takenAt.toISOString()}  ${megabytes(bytes).padStart(10)}  ${path}`);
  if (!kept.length) console.log(`  There is no backup in ${folder}. Take one: ./signalbox backup`);
  return 0;
}

const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`;

// restore: brings a backup back to an empty install, or with --drill to a scratch place, and proves that all of it is there.
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { type Archive, openArchive } from "../backup/archive.ts";
import { isBucketAddress } from "../backup/bucket.ts";
import { drill, keepReport, reportOf } from "../backup/drill.ts";
import { type Keys, openKeys } from "../backup/keys.ts";
import { isEmpty, layDatabase, type Until, unpack } from "../backup/lay.ts";
import { backupsOf, passphraseFor } from "../backup/origin.ts";
import { requireRestorable } from "../backup/restorable.ts";
import { fetchBackup } from "../backup/second-copy.ts";
import { recover } from "../backup/server.ts";
import { listBackups } from "../backup/store.ts";
import { compareTables, rowsOf } from "../backup/tables.ts";
import { type Command, dataDirOption, type Values } from "../command.ts";
import { readConfiguration } from "../configuration.ts";
import { chosenDataDir, type DataDir, prepareDataDir } from "../data-dir.ts";
import { findPostgres } from "../engines/postgres-binaries.ts";
import { engineUser } from "../engines/system-user.ts";
import { Fault } from "../fault.ts";
import { writeWhole } from "../files.ts";
import { dim, green, red } from "../screen.ts";
import { lockHolder } from "../supervisor/lock.ts";

export const command: Command = {
  name: "restore",
  usage: "restore [FILE] [--drill] [--at INSTANT | --latest] [--passphrase-file FILE] [--data-dir DIR]",
  text: `Brings a backup back to an empty data folder; without FILE the newest one. Every byte, the keys and the version are checked
before anything is changed, and every table is counted and hashed afterwards. FILE may be s3://bucket/prefix, for the newest there, or s3://bucket/prefix/NAME.
  --drill    does the same in a scratch place, says what it found and how old it was, and leaves nothing behind
  --latest   goes on with the archived log that lies beside the backup, to its end
  --at       goes on to that instant: --at 2026-11-21T12:00:00Z`,
  words: 1,
  options: {
    drill: { type: "boolean", text: "prove it, and change nothing" },
    at: { type: "string", value: "INSTANT", text: "as everything was then" },
    latest: { type: "boolean", text: "as everything was last" },
    log: { type: "string", value: "DIR", text: "the archived log (default: wal beside the backup)" },
    "passphrase-file": { type: "string", value: "FILE", text: "what opens the keys" },
    json: { type: "boolean", text: "print the drill's report as JSON" },
    ...dataDirOption,
  },
  async run(values, [file]) {
    const dir = chosenDataDir(values);
    const until = untilOf(values);
    const path = file ? await fileOf(file, values, until) : newest(values, until);
    const archive = await openArchive(path);
    const keys = openKeys(archive.sealedKeys, passphraseFor(values, path), archive.manifestDigest);
    requireRestorable(archive);
    if (values.drill) return runDrill(archive, keys, values.json === true);
    return restore(archive, keys, dir, until, String(values.log ?? join(dirname(path), "wal")));
  },
};

function untilOf(values: Values): Until {
  if (values.at !== undefined && values.latest) throw new Fault("--at and --latest exclude each other.", "");
  if (values.latest) return { kind: "latest" };
  if (values.at === undefined) return { kind: "backup" };
  const at = new Date(String(values.at));
  if (Number.isNaN(at.getTime()))
    throw new Fault(`--at ${String(values.at)} is not an instant.`, "Write it so: --at 2026-11-21T12:00:00Z");
  return { kind: "instant", at };
}

/** Out of a bucket it comes to the backups of this data folder first, with its log. */
async function fileOf(file: string, values: Values, until: Until): Promise<string> {
  if (!isBucketAddress(file)) return resolve(file);
  const configuration = readConfiguration(chosenDataDir(values));
  return fetchBackup(file, configuration, backupsOf(values), until.kind === "instant" ? until.at : undefined);
}

/** For an instant: the newest that is not after it. */
function newest(values: Values, until: Until): string {
  const folder = backupsOf(values);
  const all = listBackups(folder);
  const found = all.find(({ takenAt }) => until.kind !== "instant" || takenAt <= until.at);
  if (found) return found.path;
  throw new Fault(
    all.length ? `No backup in ${folder} is that old.` : `There is no backup in ${folder}.`,
    "Name one: ./signalbox restore FILE",
  );
}

function requireSameEngine({ manifest }: Archive): void {
  const { major } = findPostgres(engineUser());
  if (manifest.postgres.major === major) return;
  throw new Fault(
    `The backup is of Postgres ${manifest.postgres.major}, and this machine runs Postgres ${major}.`,
    "See docs/upgrade.md on how a database moves to another major version; nothing was changed.",
  );
}

async function runDrill(archive: Archive, keys: Keys, json: boolean): Promise<number> {
  requireSameEngine(archive);
  const report = await drill(archive, keys);
  keepReport(report);
  if (json) console.log(JSON.stringify(report));
  else {
    const { rows, tables, objects, ageSeconds, seconds, faults } = report;
    if (report.ok)
      console.log(
        `  ${green("✓")} ${rows.toLocaleString("en")} rows in ${tables} tables and ${objects} files, as they were taken; keys open\n    ${age(ageSeconds)} old, proved in ${seconds} s`,
      );
    for (const fault of faults) console.log(`  ${red("✗")} ${fault}`);
  }
  return report.ok ? 0 : 1;
}

async function restore(
  archive: Archive,
  keys: Keys,
  dir: DataDir,
  until: Until,
  log: string,
): Promise<number> {
  const holder = lockHolder(dir.lockFile);
  if (holder)
    throw new Fault(
      `An install runs in ${dir.path} (pid ${holder.pid}).`,
      "A restore goes to an empty folder: choose another with --data-dir DIR; nothing was changed.",
    );
  for (const each of [dir.postgres, dir.redis, join(dir.path, "objects"), join(dir.path, "control")])
    if (!isEmpty(each))
      throw new Fault(
        `${each} holds something already; a restore goes to an empty install.`,
        "Move the folder away, or choose another: --data-dir DIR; nothing was changed.",
      );
  requireSameEngine(archive);
  if (until.kind === "instant" && until.at.getTime() < Date.parse(archive.manifest.takenAt))
    throw new Fault(
      `The backup was taken at ${archive.manifest.takenAt}, after the instant that --at names.`,
      "Take an older one, or leave FILE out; nothing was changed.",
    );
  const began = performance.now();
  writeKeys(dir, keys);
  try {
    await layDatabase(archive, dir.postgres, { until, log, owner: engineUser() });
    const objects = await unpack(archive, "objects.tar.zst", join(dir.path, "objects"), undefined);
    const { tables, lastCommitAt } = await recover(dir.postgres, {
      password: keys.postgres_password ?? "",
      throwaway: false,
      log: join(dir.path, "restore.log"),
    });
    // Only the backup's own end has figures to be compared with.
    const faults = until.kind === "backup" ? compareTables(archive.manifest.tables, tables) : [];
    const report = reportOf(archive, tables, objects, faults, began, new Date());
    for (const fault of faults) console.log(`  ${red("✗")} ${fault}`);
    if (faults.length) throw new Fault("The restored database is not what was taken.", "Try another backup.");
    const what = until.kind === "backup" ? ", as they were taken" : "";
    console.log(
      `  ${green("✓")} ${rowsOf(tables).toLocaleString("en")} rows in ${report.tables} tables and ${objects} files${what}, ${report.seconds} s`,
    );
    if (lastCommitAt) console.log(dim(`    the last thing in it happened at ${lastCommitAt.toISOString()}`));
    console.log(dim(`    Start it: ./signalbox up --data-dir ${dir.path}`));
    return 0;
  } catch (error) {
    rmSync(dir.postgres, { recursive: true, force: true });
    throw error;
  }
}

/** Keys that are there already must be the same: an install has one set. */
function writeKeys(dir: DataDir, keys: Keys): void {
  const files: [string, string | undefined][] = [
    [dir.masterKey, keys.secret],
    [dir.operatorToken, keys.operator_token],
    [dir.postgresPassword, keys.postgres_password],
  ];
  if (existsSync(dir.masterKey) && existsSync(dir.postgres))
    throw new Fault(
      `${dir.path} has keys of its own already.`,
      "Choose an empty folder; nothing was changed.",
    );
  for (const [path, text] of files) if (text) writeWhole(path, `${text}\n`);
  if (keys.config && !existsSync(dir.configFile)) writeWhole(dir.configFile, keys.config);
  if (keys.master_key) {
    const path = join(dir.path, "secrets", "user-keys");
    writeFileSync(path, keys.master_key, { mode: 0o600 });
    console.log(dim(`    the key file of SIGNALBOX_MASTER_KEY_FILE is in ${path}: name it there`));
  }
  prepareDataDir(dir);
}

function age(seconds: number): string {
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7_200) return `${Math.round(seconds / 60)} min`;
  return seconds < 172_800 ? `${Math.round(seconds / 3_600)} h` : `${Math.round(seconds / 86_400)} days`;
}

// What a restore does inside of containers, a word a step; the command on the machine calls them in order.
import {
  createReadStream,
  createWriteStream,
  existsSync,
  lstatSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statfsSync,
} from "node:fs";
import { basename, join } from "node:path";
import { text } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { setTimeout as pause } from "node:timers/promises";
import { readConfig } from "@signalbox/core/config";
import { connectDirect, type DirectClient } from "@signalbox/db/replication";
import { Fault, faultLine, toFault } from "../fault.ts";
import { openArchive } from "./archive.ts";
import { keepReport, reportOf } from "./drill.ts";
import { openKeys } from "./keys.ts";
import { isEmpty, layDatabase, type Until } from "./lay.ts";
import { logFolder } from "./log-archive.ts";
import { requireRestorable } from "./restorable.ts";
import { readRestored } from "./restored.ts";
import { fetchBackup } from "./second-copy.ts";
import { listBackups } from "./store.ts";
import { compareTables, rowsOf } from "./tables.ts";

const volume = "/var/lib/postgresql";
const backups = "/backups";
const [word, name = "", at] = process.argv.slice(2);

function untilOf(word: string | undefined): Until {
  if (word === undefined || word === "backup") return { kind: "backup" };
  return word === "latest" ? { kind: "latest" } : { kind: "instant", at: new Date(word) };
}

/** Where the image of this major version keeps its data. */
const folderOf = (major: number) =>
  major >= 18 ? join(volume, String(major), "docker") : join(volume, "data");

function newest(): string {
  const [found] = listBackups(backups);
  if (!found) throw new Fault("There is no backup in the volume.", "Take one: ./signalbox compose backup");
  return found.path;
}

function freeAt(folder: string): number {
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize;
}

function pathOf(given: string): string {
  if (given === "newest") return newest();
  const path = join(backups, basename(given));
  if (!existsSync(path))
    throw new Fault(`There is no backup ${basename(given)}.`, "See: ./signalbox compose backup --list");
  return path;
}

const steps: Record<string, () => Promise<unknown>> = {
  /** What is in the database's volume, and how much. */
  async look() {
    const paths = existsSync(volume) ? readdirSync(volume, { recursive: true, encoding: "utf8" }) : [];
    const versions = paths
      .filter((path) => /^(\d+\/docker|data)\/PG_VERSION$/.test(path))
      .map((path) => readFileSync(join(volume, path), "utf8").trim());
    // A database that runs takes files away meanwhile.
    const bytes = paths.reduce(
      (sum, path) => sum + (lstatSync(join(volume, path), { throwIfNoEntry: false })?.size ?? 0),
      0,
    );
    return { versions, bytes, free: freeAt(volume) };
  },
  async room() {
    return { free: freeAt(backups) };
  },
  async list() {
    return listBackups(backups).map(({ name, bytes, takenAt }) => ({ name, bytes, takenAt }));
  },
  /** Takes a file from standard input into the volume of backups. */
  async receive() {
    const path = join(backups, basename(name));
    await pipeline(process.stdin, createWriteStream(`${path}.partial`, { mode: 0o640 }));
    renameSync(`${path}.partial`, path);
    return { path };
  },
  /** Out of a bucket into the volume, with its log. */
  async fetch() {
    const until = untilOf(at);
    const path = await fetchBackup(
      name,
      process.env,
      backups,
      until.kind === "instant" ? until.at : undefined,
    );
    return { name: basename(path) };
  },
  /** Out of the volume, to standard output: all that this step says. */
  async send() {
    await pipeline(createReadStream(pathOf(name)), process.stdout, { end: false });
  },
  /** Every byte, the version, and the keys under the passphrase on standard input. */
  async verify() {
    const passphrase = (await text(process.stdin)).replace(/\r?\n$/, "");
    const archive = await openArchive(pathOf(name));
    const keys = openKeys(archive.sealedKeys, passphrase, archive.manifestDigest);
    requireRestorable(archive);
    const { id, version, takenAt, postgres } = archive.manifest;
    return { name: basename(archive.path), id, version, takenAt, major: postgres.major, keys };
  },
  async lay() {
    const archive = await openArchive(pathOf(name));
    const folder = folderOf(archive.manifest.postgres.major);
    const until = untilOf(at);
    if (!isEmpty(folder))
      throw new Fault(
        "The database's volume holds a database already; a restore goes to an empty one.",
        "Make room first: ./signalbox compose down --volumes removes everything; nothing was changed.",
      );
    try {
      await layDatabase(archive, folder, { until, log: logFolder(backups), owner: undefined });
    } catch (error) {
      rmSync(folder, { recursive: true, force: true });
      throw error;
    }
    return { folder };
  },
  /** Puts the database beside, so that what was there is not lost. */
  async aside() {
    const folder = folderOf(Number(name));
    if (existsSync(folder)) renameSync(folder, `${folder}.before-${at}`);
    return {};
  },
  /** Waits for the database to open, and compares. */
  async check() {
    const began = performance.now();
    const archive = await openArchive(pathOf(name));
    const client = await opened();
    const { tables, lastCommitAt } = await readRestored(client);
    await client.end();
    const faults = untilOf(at).kind === "backup" ? compareTables(archive.manifest.tables, tables) : [];
    const report = reportOf(archive, tables, archive.manifest.objects, faults, began, new Date());
    return { ...report, lastCommitAt };
  },
  /** Every table here with the same one of another server. */
  async compare() {
    const { DATABASE_URL } = readConfig(process.env);
    const other = new URL(DATABASE_URL);
    other.hostname = name;
    const [here, there] = await Promise.all(
      [DATABASE_URL, other.href].map(async (url) => {
        const client = await connectDirect(url, "signalbox compare");
        const { tables } = await readRestored(client);
        await client.end();
        return tables;
      }),
    );
    return {
      faults: compareTables(here!, there!),
      rows: rowsOf(there!),
      tables: Object.keys(there!).length,
    };
  },
  /** A database that was begun and is not used. */
  async drop() {
    rmSync(folderOf(Number(name)), { recursive: true, force: true });
    return {};
  },
  async report() {
    keepReport(JSON.parse(await text(process.stdin)) as Parameters<typeof keepReport>[0]);
    return {};
  },
};

async function opened(): Promise<DirectClient> {
  const { DATABASE_URL } = readConfig(process.env);
  for (const end = Date.now() + 600_000; ; await pause(200)) {
    const client = await connectDirect(DATABASE_URL, "signalbox restore").catch(() => undefined);
    const answer = await client?.query("select pg_is_in_recovery() as busy").catch(() => undefined);
    if (client && (answer?.rows as { busy: boolean }[] | undefined)?.[0]?.busy === false) return client;
    await client?.end().catch(() => {});
    if (Date.now() > end)
      throw new Fault(
        "The restored database did not open within ten minutes.",
        "See: ./signalbox compose logs postgres",
      );
  }
}

try {
  const step = steps[word ?? ""];
  if (!step) throw new Fault(`There is no step ${word}.`, `There are: ${Object.keys(steps).join(", ")}.`);
  const answer = await step();
  if (answer !== undefined) console.log(JSON.stringify(answer));
} catch (error) {
  console.error(`signalbox: ${faultLine(toFault(error))}`);
  process.exitCode = 1;
}

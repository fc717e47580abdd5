// Backups of a Compose install brought back: to its own empty volumes, or, as a drill, to a project of its own that is gone
// afterwards.
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import { isBucketAddress } from "../backup/bucket.ts";
import type { DrillReport } from "../backup/drill.ts";
import { isArchive } from "../backup/take.ts";
import { Fault } from "../fault.ts";
import { green, red } from "../screen.ts";
import { contained } from "./contained.ts";
import { composeConfig, composeDoes, composeSays } from "./docker.ts";
import { requireFittingVolume } from "./preflight.ts";
import { placeSecrets, type Site, secretNames } from "./site.ts";
import { containersOf } from "./stack.ts";

type Verified = {
  name: string;
  version: string;
  takenAt: string;
  major: number;
  keys: Record<string, string>;
};
type Checked = DrillReport & { lastCommitAt?: string };

export type RestoreWords = { file?: string; until: string; passphraseFile?: string; isDrill: boolean };

export async function restore(site: Site, words: RestoreWords): Promise<number> {
  const passphrase = passphraseOf(site, words.passphraseFile);
  if (words.isDrill) return drill(site, words, passphrase);
  if ((await containersOf(site, "postgres")).length)
    throw new Fault(
      "The install runs; a restore goes to an empty one.",
      "Stop it and remove its data: ./signalbox compose down --volumes (backups too: copy them first); nothing was changed.",
    );
  // Compose wants the files of all secrets before it starts anything.
  const bare = blankSecrets(site);
  try {
    await openVolumes(site);
    const name = await place(site, words);
    const verified = await verify(site, name, passphrase);
    const { versions } = await requireFittingVolume(site);
    if (versions.length)
      throw new Fault(
        "The database's volume holds a database already; a restore goes to an empty one.",
        "Remove it: ./signalbox compose down --volumes (backups too: copy them first); nothing was changed.",
      );
    bare.undo();
    placeSecrets(site, verified.keys);
    await contained(site, "restore", ["lay", name, words.until]);
    const report = await comeUp(site, name, words.until);
    return tell(report, words.until, "Start the rest: ./signalbox compose up");
  } finally {
    bare.undo();
  }
}

async function drill(site: Site, words: RestoreWords, passphrase: string): Promise<number> {
  const project = `${composeConfig(site).name}-drill`;
  const env = { COMPOSE_PROFILES: "" };
  const name = await place(site, words);
  const verified = await verify(site, name, passphrase);
  const copy = join(tmpdir(), `signalbox-drill-${process.pid}.signalbox`);
  try {
    // A project of its own, with volumes of its own; only the file comes over.
    await fetchBackup(site, verified.name, copy);
    await openVolumes(site, project);
    await contained(site, "cli", ["receive", verified.name], { project, env, inputFile: copy });
    await contained(site, "restore", ["lay", verified.name, words.until], { project, env });
    const report = await comeUp(site, verified.name, words.until, project);
    const kept = { ...report, backup: `/backups/${verified.name}` };
    await contained(site, "cli", ["report"], { input: JSON.stringify(kept) });
    return tell(report, words.until, "");
  } finally {
    rmSync(copy, { force: true });
    await composeSays(site, ["down", "--volumes", "--timeout", "5"], { project, env });
  }
}

async function comeUp(site: Site, name: string, until: string, project?: string): Promise<Checked> {
  const given = project ? { project } : {};
  await composeDoes(
    "starting the database",
    site,
    ["up", "--detach", "--wait", "--no-deps", "postgres"],
    given,
  );
  return contained<Checked>(site, "cli", ["check", name, until], given);
}

function tell(report: Checked, until: string, next: string): number {
  for (const fault of report.faults) console.log(`  ${red("✗")} ${fault}`);
  if (!report.ok) return 1;
  // With more of the log than the backup's own there is nothing to compare with.
  const what =
    until === "backup" ? "as they were taken" : `the last of it at ${report.lastCommitAt ?? "the backup"}`;
  console.log(
    `  ${green("✓")} ${report.rows.toLocaleString("en")} rows in ${report.tables} tables, ${what}; keys open; ${report.ageSeconds} s old`,
  );
  if (next) console.log(`    ${next}`);
  return 0;
}

const verify = (site: Site, name: string, passphrase: string) =>
  contained<Verified>(site, "cli", ["verify", name], { input: passphrase });

/** A file of this machine, or one in a bucket, goes into the volume of backups first; a name is one that is there. */
async function place(site: Site, { file, until }: RestoreWords): Promise<string> {
  if (file === undefined) return "newest";
  if (isBucketAddress(file))
    return (await contained<{ name: string }>(site, "cli", ["fetch", file, until])).name;
  if (!existsSync(file) || !statSync(file).isFile()) return basename(file);
  const path = resolve(file);
  const name = isArchive(basename(path)) ? basename(path) : "backup-00000101T000000Z.signalbox";
  await contained(site, "cli", ["receive", name], { inputFile: path });
  return name;
}

/** Volumes take the owner of the folder of the image that they are mounted on first. */
async function openVolumes(site: Site, project?: string): Promise<void> {
  const words = ["run", "--rm", "--no-deps", "-T", "--entrypoint", "node", "migrate", "-e", "0"];
  await composeDoes("opening the volumes", site, words, { ...(project && { project }) });
  await composeDoes("opening the database's volume", site, ["create", "--no-recreate", "postgres"], {
    ...(project && { project }),
  });
}

function blankSecrets(site: Site): { undo(): void } {
  const made = secretNames.map((name) => join(site.secrets, name)).filter((path) => !existsSync(path));
  placeEmpty(site, made);
  return {
    undo() {
      for (const path of made.splice(0)) rmSync(path, { force: true });
    },
  };
}

function placeEmpty(site: Site, paths: string[]): void {
  if (!paths.length) return;
  mkdirSync(site.secrets, { recursive: true, mode: 0o700 });
  for (const path of paths) writeFileSync(path, "", { flag: "wx", mode: 0o444 });
}

function passphraseOf(site: Site, file: string | undefined): string {
  const path = file ?? join(site.secrets, "recovery_key");
  if (!existsSync(path))
    throw new Fault(
      `The keys of a backup are sealed, and ${path} is not there.`,
      "Name the file that holds the recovery key: --passphrase-file FILE; nothing was changed.",
    );
  return readFileSync(path, "utf8").replace(/\r?\n$/, "");
}

/** Out of the volume, to a file of this machine. */
export async function fetchBackup(site: Site, name: string, path: string): Promise<void> {
  const script = ["--entrypoint", "node", "cli", "apps/cli/src/backup/contained.ts", "send", name];
  try {
    await composeDoes("copying the backup", site, ["run", "--rm", "--no-deps", "-T", ...script], {
      outputFile: path,
    });
  } catch (error) {
    rmSync(path, { force: true });
    throw error;
  }
}

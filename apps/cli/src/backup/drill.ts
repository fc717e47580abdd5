// Proves that a backup can be restored: brings it up in a scratch place, counts and hashes every table, and writes down how
// that went, for people and for the signals.
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { engineUser } from "../engines/system-user.ts";
import { readJson, writeWhole } from "../files.ts";
import type { Archive } from "./archive.ts";
import type { Keys } from "./keys.ts";
import { layDatabase, unpack } from "./lay.ts";
import { recover } from "./server.ts";
import { compareTables, rowsOf } from "./tables.ts";

export type DrillReport = {
  backup: string;
  version: string;
  drilledAt: string;
  /** How old the backup was. */
  ageSeconds: number;
  tables: number;
  rows: number;
  objects: number;
  seconds: number;
  faults: string[];
  ok: boolean;
};

export async function drill(
  archive: Archive,
  keys: Keys,
  now: () => Date = () => new Date(),
): Promise<DrillReport> {
  const began = performance.now();
  const scratch = mkdtempSync(join(tmpdir(), "signalbox-drill-"));
  const user = engineUser();
  try {
    const folder = join(scratch, "postgres");
    await layDatabase(archive, folder, { until: { kind: "backup" }, owner: user, isScratch: true });
    const { tables } = await recover(folder, {
      password: keys.postgres_password ?? "",
      throwaway: true,
      log: join(scratch, "postgres.log"),
    });
    const faults = compareTables(archive.manifest.tables, tables);
    const objects = existsObjects(archive)
      ? await unpack(archive, "objects.tar.zst", join(scratch, "objects"), undefined, { isScratch: true })
      : 0;
    if (objects !== archive.manifest.objects)
      faults.push(`${objects} uploaded files instead of ${archive.manifest.objects}`);
    return reportOf(archive, tables, objects, faults, began, now());
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

const existsObjects = ({ manifest }: Archive) =>
  manifest.members.some(({ name }) => name === "objects.tar.zst");

export function reportOf(
  { path, manifest }: Archive,
  tables: Record<string, { rows: number; hash: string }>,
  objects: number,
  faults: string[],
  began: number,
  at: Date,
): DrillReport {
  return {
    backup: path,
    version: manifest.version,
    drilledAt: at.toISOString(),
    ageSeconds: Math.max(0, Math.round((at.getTime() - Date.parse(manifest.takenAt)) / 1000)),
    tables: Object.keys(tables).length,
    rows: rowsOf(tables),
    objects,
    seconds: Math.round((performance.now() - began) / 100) / 10,
    faults,
    ok: faults.length === 0,
  };
}

const reportFile = (folder: string) => join(folder, "drill.json");

/** Beside the backups, where the process that reports on them finds it. */
export function keepReport(report: DrillReport): void {
  const folder = dirname(report.backup);
  if (existsSync(folder)) writeWhole(reportFile(folder), `${JSON.stringify(report, null, 1)}\n`);
}

export const lastDrill = (folder: string) => readJson<DrillReport>(reportFile(folder));

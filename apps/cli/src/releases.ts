// Which versions there are, which schema each had, and from where each can be reached: releases.json at the root.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Fault } from "./fault.ts";
import { root } from "./repository.ts";

export type Release = {
  version: string;
  /** Absent of the one that is being made. */
  commit?: string;
  /** How many migrations its database has had; absent of the one that is being made. */
  schema?: number;
  /** The versions that may be replaced by this one, without a stop in between. */
  upgradesFrom: string[];
};

export function readReleases(): Release[] {
  return (JSON.parse(readFileSync(join(root, "releases.json"), "utf8")) as { releases: Release[] }).releases;
}

export function migrationCount(): number {
  const path = join(root, "packages/db/migrations/meta/_journal.json");
  return (JSON.parse(readFileSync(path, "utf8")) as { entries: unknown[] }).entries.length;
}

/** The versions to go through, the last one included; refuses where there is no way. */
export function upgradePath(from: string, to: string, releases = readReleases()): string[] {
  if (from === to) return [];
  const known = (version: string) => releases.find((release) => release.version === version);
  if (!known(from))
    throw new Fault(
      `Version ${from} is not one that this Signalbox knows.`,
      `It knows ${releases.map(({ version }) => version).join(", ")}; take the newest Signalbox and try again.`,
    );
  const ways: string[][] = [[from]];
  const seen = new Set([from]);
  for (let way = ways.shift(); way; way = ways.shift()) {
    const here = way.at(-1)!;
    if (here === to) return way.slice(1);
    for (const { version, upgradesFrom } of releases)
      if (upgradesFrom.includes(here) && !seen.has(version)) {
        seen.add(version);
        ways.push([...way, version]);
      }
  }
  throw new Fault(
    `There is no way from ${from} to ${to}.`,
    "A newer database can not be used by an older version: restore the backup that was taken before the upgrade.",
  );
}

export function requireDirectUpgrade(from: string, to: string, releases = readReleases()): void {
  const way = upgradePath(from, to, releases);
  if (way.length > 1)
    throw new Fault(
      `The jump from ${from} to ${to} is too far.`,
      `Go by way of ${way.slice(0, -1).join(", then ")}; nothing was changed.`,
    );
}

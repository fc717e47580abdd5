// Whether this version, on this machine, can make use of a backup.
import { Fault } from "../fault.ts";
import { migrationCount, upgradePath } from "../releases.ts";
import { platformVersion } from "../repository.ts";
import type { Archive } from "./archive.ts";

export function requireRestorable({ manifest }: Archive): void {
  const here = platformVersion();
  if (manifest.schema > migrationCount())
    throw new Fault(
      `The backup is of version ${manifest.version}, whose schema (${manifest.schema}) is newer than this one's (${migrationCount()}).`,
      `Restore it with Signalbox ${manifest.version}; nothing was changed.`,
    );
  if (manifest.version !== here) upgradePath(manifest.version, here);
  const platform = `${process.platform}-${process.arch}`;
  if (manifest.platform !== platform)
    throw new Fault(
      `The backup was taken on ${manifest.platform}, and this machine is ${platform}: its files differ.`,
      "Restore it on a machine like that one; nothing was changed.",
    );
}

// The last two sources: a signed copy of the last document, for a start while everything is away, and the override file of this machine.

import { randomUUID } from "node:crypto";
import { mkdir, open, readFile, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { Seal, Sealed } from "./seal.ts";
import { type SettingsInput, settingsSchema } from "./settings.ts";

export const snapshotPath = (dataDir: string) => join(dataDir, "control", "snapshot.json");
export const overridePath = (dataDir: string) => join(dataDir, "control", "override.json");

export async function readSnapshot(dataDir: string, seal: Seal): Promise<Sealed | undefined> {
  const text = await readFile(snapshotPath(dataDir), "utf8").catch(ifThere);
  return text === undefined ? undefined : seal.open(text);
}

/** Whole or not at all: a reader and a power cut see either the old file or the new one. */
export async function writeSnapshot(dataDir: string, text: string): Promise<void> {
  const path = snapshotPath(dataDir);
  const temporary = `${path}.${randomUUID()}`;
  await mkdir(join(dataDir, "control"), { recursive: true, mode: 0o700 });
  try {
    const file = await open(temporary, "w", 0o600);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

const override = z.object({
  switches: settingsSchema.shape.switches,
  limits: z.record(z.string(), z.looseObject({})).default({}),
  shed: settingsSchema.shape.shed,
  dependencies: settingsSchema.shape.dependencies,
});

export type Override = {
  switches: SettingsInput["switches"];
  limits: SettingsInput["limits"];
  shed: SettingsInput["shed"];
  dependencies: SettingsInput["dependencies"];
};
export const noOverride: Override = { switches: {}, limits: {}, shed: {}, dependencies: {} };

/** Asks the file for news; undefined: nothing has changed since. A file that does not parse throws, once a change. */
export function createOverrideReader(dataDir: string): () => Promise<Override | undefined> {
  const path = overridePath(dataDir);
  let seen = "absent";
  return async () => {
    const info = await stat(path).catch(ifThere);
    const mark = info === undefined ? "absent" : `${info.ino}:${info.size}:${info.mtimeMs}`;
    if (mark === seen) return undefined;
    seen = mark;
    if (info === undefined) return noOverride;
    const read = override.parse(JSON.parse(await readFile(path, "utf8")));
    // Newer than anything in the log: see `order` in evaluate.ts.
    const switches = Object.fromEntries(
      Object.entries(read.switches).map(([key, value]) => [
        key,
        { ...value, order: Number.MAX_SAFE_INTEGER },
      ]),
    );
    return {
      switches,
      limits: read.limits as SettingsInput["limits"],
      shed: read.shed,
      dependencies: read.dependencies,
    };
  };
}

function ifThere(error: NodeJS.ErrnoException): undefined {
  if (error.code !== "ENOENT") throw error;
  return undefined;
}

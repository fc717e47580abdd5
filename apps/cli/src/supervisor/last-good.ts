// The configuration with which each role last became ready, kept so that a bad change does not keep it down.
import { isDeepStrictEqual } from "node:util";
import type { Configuration } from "../configuration.ts";
import { readJson, writeWhole } from "../files.ts";

export function lastGoodStore(folder: string) {
  const path = (role: string) => `${folder}/${role}.json`;
  return {
    read: (role: string) => readJson<{ configuration: Configuration }>(path(role))?.configuration,
    keep(role: string, configuration: Configuration) {
      if (isDeepStrictEqual(this.read(role), configuration)) return;
      writeWhole(path(role), `${JSON.stringify({ at: new Date().toISOString(), configuration }, null, 2)}\n`);
    },
  };
}

export type LastGood = ReturnType<typeof lastGoodStore>;

// Names only: values may be secrets.
export function changedNames(from: Configuration, to: Configuration): string[] {
  const names = new Set([...Object.keys(from), ...Object.keys(to)]);
  return [...names].filter((name) => from[name] !== to[name]).sort();
}

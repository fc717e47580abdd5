// Everything that can be switched or limited, taken from the procedures and jobs themselves, so that nothing is forgotten.

import { pathOf } from "@signalbox/control/settings";
import { appRouter, jobs } from "../index.ts";
import { optionalParts } from "../optional.ts";

export type Kind = "all" | "prefix" | "procedure" | "job" | "optional";

let known: ReadonlyMap<string, Kind> | undefined;

/** Every key with what it stands for, `*` first and then by name. */
export function catalogue(): ReadonlyMap<string, Kind> {
  known ??= toCatalogue(
    Object.keys(appRouter._def.procedures),
    jobs.map(({ name }) => name),
    optionalParts,
  );
  return known;
}

export function toCatalogue(
  procedures: string[],
  jobNames: string[],
  optionalNames: readonly string[] = [],
): Map<string, Kind> {
  const kinds = new Map<string, Kind>();
  for (const name of [...procedures, ...jobNames, ...optionalNames])
    for (const prefix of pathOf(name)) kinds.set(prefix, prefix === "*" ? "all" : "prefix");
  for (const name of optionalNames) kinds.set(name, "optional");
  for (const name of jobNames) kinds.set(name, "job");
  for (const name of procedures) kinds.set(name, "procedure");
  return new Map([...kinds].sort(([a], [b]) => (a === b ? 0 : a === "*" || (b !== "*" && a < b) ? -1 : 1)));
}

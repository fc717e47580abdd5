// Everything that can be switched or limited, taken from the procedures and jobs themselves, so that nothing is forgotten.

import type { TagsOf } from "@signalbox/control/evaluate";
import { pathOf, tagPrefix } from "@signalbox/control/settings";
import { appRouter, jobs } from "../index.ts";
import { optionalParts } from "../optional.ts";

export type Kind = "all" | "prefix" | "procedure" | "job" | "optional" | "tag" | "own";

let known: ReadonlyMap<string, Kind> | undefined;
let tagged: ReadonlyMap<string, readonly string[]> | undefined;

/** Every key with what it stands for, `*` first and then by name. */
export function catalogue(): ReadonlyMap<string, Kind> {
  known ??= toCatalogue(
    Object.keys(appRouter._def.procedures),
    jobs.map(({ name }) => name),
    optionalParts,
    [...new Set([...tags().values()].flat())],
  );
  return known;
}

/** What each name is, by what its code says of it: one switch then stands for all writes, or for everything optional. */
function tags(): ReadonlyMap<string, readonly string[]> {
  tagged ??= new Map([
    ...Object.entries<unknown>(appRouter._def.procedures).map(([name, procedure]): [string, string[]] => {
      const { type, meta } = (procedure as { _def: { type: string; meta?: { priority?: string } } })._def;
      const kind = type === "mutation" ? "writes" : "reads";
      return [name, meta?.priority === "background" ? [kind, "background"] : [kind]];
    }),
    ...jobs.map(({ name }): [string, string[]] => [name, ["jobs"]]),
    ...optionalParts.map((name): [string, string[]] => [name, ["optional"]]),
  ]);
  return tagged;
}

const none: readonly string[] = [];
export const tagsOf: TagsOf = (name) => tags().get(name) ?? none;

export function toCatalogue(
  procedures: string[],
  jobNames: string[],
  optionalNames: readonly string[] = [],
  tagNames: readonly string[] = [],
): Map<string, Kind> {
  const kinds = new Map<string, Kind>();
  for (const name of [...procedures, ...jobNames, ...optionalNames])
    for (const prefix of pathOf(name)) kinds.set(prefix, prefix === "*" ? "all" : "prefix");
  for (const tag of tagNames) kinds.set(tagPrefix + tag, "tag");
  for (const name of optionalNames) kinds.set(name, "optional");
  for (const name of jobNames) kinds.set(name, "job");
  for (const name of procedures) kinds.set(name, "procedure");
  return new Map([...kinds].sort(([a], [b]) => (a === b ? 0 : a === "*" || (b !== "*" && a < b) ? -1 : 1)));
}

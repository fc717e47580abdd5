// Everything that can be switched or limited, taken from the code itself, so that nothing is forgotten: procedures, jobs, queues,
// consumers, the parts that processes ask, and what answers can do without.

import type { TagsOf } from "@signalbox/control/evaluate";
import { consumerPrefix, dependencyPrefix, pathOf, tagPrefix } from "@signalbox/control/settings";
import { partNames } from "@signalbox/core/resilience/dependencies";
import { appRouter, askedWork, jobs, work } from "../index.ts";
import { optionalParts } from "../optional.ts";
import { groupsOf } from "../run-jobs.ts";
import { type Meta, serviceOf } from "../trpc.ts";
import type { SwitchItem } from "./schema.ts";

export type Kind = SwitchItem["kind"];

let known: ReadonlyMap<string, Kind> | undefined;
let tagged: ReadonlyMap<string, readonly string[]> | undefined;

/** Every key with what it stands for, `*` first and then by name. */
export function catalogue(): ReadonlyMap<string, Kind> {
  known ??= toCatalogue({
    tag: [...new Set([...tags().values()].flat())].map((tag) => tagPrefix + tag),
    dependency: dependencyNames().map((name) => dependencyPrefix + name),
    consumer: [...groupsOf(jobs).keys()].map((group) => consumerPrefix + group),
    optional: optionalParts,
    job: [...jobs, ...askedWork].map(({ name }) => name),
    queue: work.map(({ queue }) => queue.name),
    procedure: procedureNames(),
  });
  return known;
}

const procedureNames = () => Object.keys(appRouter._def.procedures);

/** What has procedures, and may run in processes of its own. */
export const serviceNames = (): string[] => [...new Set(procedureNames().map(serviceOf))].sort();

const dependencyNames = () => [...partNames, ...serviceNames().map((name) => `service.${name}`)];

/** What each name is, by what its code says of it: one switch then stands for all writes, or for everything optional. */
function tags(): ReadonlyMap<string, readonly string[]> {
  tagged ??= new Map([
    ...Object.entries<unknown>(appRouter._def.procedures).map(([name, procedure]): [string, string[]] => {
      const { type, meta } = (procedure as { _def: { type: string; meta?: { priority?: string } } })._def;
      const kind = type === "mutation" ? "writes" : "reads";
      return [name, meta?.priority === "background" ? [kind, "background"] : [kind]];
    }),
    ...[...jobs, ...askedWork].map(({ name }): [string, string[]] => [name, ["jobs"]]),
    ...work.map(({ queue }): [string, string[]] => [queue.name, ["queues"]]),
    ...optionalParts.map((name): [string, string[]] => [name, ["optional"]]),
  ]);
  return tagged;
}

let lesser: readonly string[] | undefined;

/** The procedures whose answers have parts that they can do without. */
export function lessened(): readonly string[] {
  lesser ??= Object.entries<unknown>(appRouter._def.procedures).flatMap(([name, procedure]) =>
    (procedure as { _def: { meta?: Meta } })._def.meta?.lessens ? [name] : [],
  );
  return lesser;
}

const none: readonly string[] = [];
export const tagsOf: TagsOf = (name) => tags().get(name) ?? none;

type Named = Partial<Record<Exclude<Kind, "all" | "prefix" | "own">, readonly string[]>>;

export function toCatalogue(named: Named): Map<string, Kind> {
  const kinds = new Map<string, Kind>();
  const entries = Object.entries(named) as [Kind, readonly string[]][];
  for (const [kind, names] of entries)
    if (kind !== "tag" && kind !== "dependency")
      for (const prefix of names.flatMap(pathOf)) kinds.set(prefix, prefix === "*" ? "all" : "prefix");
  for (const [kind, names] of entries) for (const name of names) kinds.set(name, kind);
  return new Map([...kinds].sort(([a], [b]) => (a === b ? 0 : a === "*" || (b !== "*" && a < b) ? -1 : 1)));
}

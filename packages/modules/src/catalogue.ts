// Everything that can be switched or limited, taken from the code itself, so that nothing is forgotten: procedures, jobs, queues,
// consumers, the parts that processes ask, and what answers can do without.

import type { TagsOf } from "@signalbox/control/evaluate";
import { consumerPrefix, dependencyPrefix, pathOf, tagPrefix } from "@signalbox/control/settings";
import { partNames } from "@signalbox/core/resilience/dependencies";
import type { SwitchItem } from "./control/schema.ts";
import type { Job } from "./ctx.ts";
import { optionalParts } from "./optional.ts";
import { groupsOf } from "./run-jobs.ts";
import { type Meta, serviceOf } from "./trpc.ts";

export type Kind = SwitchItem["kind"];

/** What the list of domains holds. */
type Domains = {
  router: { _def: { procedures: object } };
  jobs: Job[];
  askedWork: { name: string }[];
  work: { queue: { name: string } }[];
};

export type Catalogue = {
  /** Every key with what it stands for, `*` first and then by name. */
  kinds: ReadonlyMap<string, Kind>;
  /** What each name is, by what its code says of it: one switch then stands for all writes, or for everything optional. */
  tagsOf: TagsOf;
  /** The procedures whose answers have parts that they can do without. */
  lessened: readonly string[];
  /** What has procedures, and may run in processes of its own. */
  services: readonly string[];
};

/** Made with the first question, because what asks it stands among the domains too. */
export function createCatalogue(domains: () => Domains): () => Catalogue {
  let made: Catalogue | undefined;
  return () => {
    made ??= read(domains());
    return made;
  };
}

const none: readonly string[] = [];

function read({ router, jobs, askedWork, work }: Domains): Catalogue {
  const procedures = Object.entries<{ _def: { type: string; meta?: Meta } }>({ ...router._def.procedures });
  const jobNames = [...jobs, ...askedWork].map(({ name }) => name);
  const queueNames = work.map(({ queue }) => queue.name);
  const services = [...new Set(procedures.map(([name]) => serviceOf(name)))].sort();
  const tags = new Map<string, readonly string[]>([
    ...procedures.map(([name, { _def }]): [string, string[]] => {
      const kind = _def.type === "mutation" ? "writes" : "reads";
      return [name, _def.meta?.priority === "background" ? [kind, "background"] : [kind]];
    }),
    ...jobNames.map((name): [string, string[]] => [name, ["jobs"]]),
    ...queueNames.map((name): [string, string[]] => [name, ["queues"]]),
    ...optionalParts.map((name): [string, string[]] => [name, ["optional"]]),
  ]);
  return {
    kinds: toKinds({
      tag: [...new Set([...tags.values()].flat())].map((tag) => tagPrefix + tag),
      dependency: [...partNames, ...services.map((name) => `service.${name}`)].map(
        (name) => dependencyPrefix + name,
      ),
      consumer: [...groupsOf(jobs).keys()].map((group) => consumerPrefix + group),
      optional: optionalParts,
      job: jobNames,
      queue: queueNames,
      procedure: procedures.map(([name]) => name),
    }),
    tagsOf: (name) => tags.get(name) ?? none,
    lessened: procedures.flatMap(([name, { _def }]) => (_def.meta?.lessens ? [name] : [])),
    services,
  };
}

type Named = Partial<Record<Exclude<Kind, "all" | "prefix" | "own">, readonly string[]>>;

export function toKinds(named: Named): Map<string, Kind> {
  const kinds = new Map<string, Kind>();
  const entries = Object.entries(named) as [Kind, readonly string[]][];
  for (const [kind, names] of entries)
    if (kind !== "tag" && kind !== "dependency")
      for (const prefix of names.flatMap(pathOf)) kinds.set(prefix, prefix === "*" ? "all" : "prefix");
  for (const [kind, names] of entries) for (const name of names) kinds.set(name, kind);
  return new Map([...kinds].sort(([a], [b]) => (a === b ? 0 : a === "*" || (b !== "*" && a < b) ? -1 : 1)));
}

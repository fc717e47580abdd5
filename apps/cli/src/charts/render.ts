// The chart as a cluster would be told it: rendered by the real helm, read as objects.

import { execFile } from "node:child_process";
import { globSync } from "node:fs";
import { basename, join } from "node:path";
import { promisify } from "node:util";
import { parseAllDocuments } from "yaml";
import { root } from "../repository.ts";

const run = promisify(execFile);

export const chartFolder = join(root, "charts/signalbox");
export const schemaLocation = join(root, "charts/schemas", "{{.ResourceKind}}{{.KindSuffix}}.json");

export type Manifest = {
  apiVersion: string;
  kind: string;
  metadata: {
    name: string;
    namespace?: string;
    labels?: Record<string, string>;
    annotations?: Record<string, string>;
  };
  [field: string]: unknown;
};

/** The combinations that are promised: the files under examples/. */
export const profiles: Record<string, string> = Object.fromEntries(
  globSync("examples/*.yaml", { cwd: chartFolder })
    .sort()
    .map((file) => [basename(file, ".yaml"), join(chartFolder, file)]),
);

/** Kinds that a cluster with the operators knows, as there is none to ask. */
const knownKinds = [
  "gateway.networking.k8s.io/v1",
  "keda.sh/v1alpha1",
  "monitoring.coreos.com/v1",
  "postgresql.cnpg.io/v1",
];

export type RenderOptions = {
  chart?: string;
  values?: string[];
  /** As `--set-json path=value` takes them. */
  set?: Record<string, unknown>;
  operators?: boolean;
  name?: string;
};

export async function renderText(helm: string, options: RenderOptions = {}): Promise<string> {
  const { chart = chartFolder, values = [], set = {}, operators = true, name = "demo" } = options;
  const { stdout } = await run(
    helm,
    [
      ...["template", name, chart, "--namespace", "signalbox", "--kube-version", "1.35.0"],
      ...values.flatMap((file) => ["--values", file]),
      ...Object.entries(set).flatMap(([path, value]) => ["--set-json", `${path}=${JSON.stringify(value)}`]),
      ...(operators ? knownKinds.flatMap((kind) => ["--api-versions", kind]) : []),
    ],
    { maxBuffer: 1 << 26 },
  );
  return stdout;
}

export const readManifests = (text: string): Manifest[] =>
  parseAllDocuments(text, { uniqueKeys: true })
    .map((document) => {
      if (document.errors[0]) throw document.errors[0];
      return document.toJS() as Manifest | null;
    })
    .filter((manifest): manifest is Manifest => manifest !== null);

export const render = async (helm: string, options?: RenderOptions): Promise<Manifest[]> =>
  readManifests(await renderText(helm, options));

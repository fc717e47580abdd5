// Writes charts/schemas anew from the Go modules of Kubernetes and of the operators: what kubeconform holds rendered objects against.
// Strict, so that a field that nobody knows is a fault; without descriptions, so that they are small enough to keep.
//   node apps/cli/src/charts/vendor-schemas.ts      (needs Go; only when a version below changes)

import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";
import { root } from "../repository.ts";

type Schema = { [name: string]: unknown };

const folder = join(root, "charts/schemas");
const kubernetes = "k8s.io/kubernetes@v1.35.0";
const kinds: Record<string, string[]> = {
  v1: ["Pod", "Service", "ServiceAccount", "Secret", "ConfigMap", "PersistentVolumeClaim", "Namespace"],
  "apps/v1": ["Deployment", "StatefulSet"],
  "batch/v1": ["Job", "CronJob"],
  "autoscaling/v2": ["HorizontalPodAutoscaler"],
  "policy/v1": ["PodDisruptionBudget"],
  "networking.k8s.io/v1": ["NetworkPolicy", "Ingress"],
  "rbac.authorization.k8s.io/v1": ["Role", "RoleBinding"],
};
const definitions: [module: string, file: string][] = [
  ["sigs.k8s.io/gateway-api@v1.6.2", "config/crd/standard/gateway.networking.k8s.io_httproutes.yaml"],
  [
    "github.com/prometheus-operator/prometheus-operator@v0.85.0",
    "example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml",
  ],
  [
    "github.com/prometheus-operator/prometheus-operator@v0.85.0",
    "example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml",
  ],
  ["github.com/kedacore/keda/v2@v2.21.0", "config/crd/bases/keda.sh_scaledobjects.yaml"],
  ["github.com/cloudnative-pg/cloudnative-pg@v1.27.0", "config/crd/bases/postgresql.cnpg.io_clusters.yaml"],
];

const moduleFolder = (module: string): string =>
  (
    JSON.parse(
      execFileSync("go", ["mod", "download", "-json", module], { cwd: tmpdir(), encoding: "utf8" }),
    ) as {
      Dir: string;
    }
  ).Dir;

const fileName = (group: string, version: string, kind: string) =>
  `${[kind, group.split(".")[0], version].filter(Boolean).join("-")}.json`.toLowerCase();

const write = (name: string, schema: Schema) =>
  writeFileSync(join(folder, name), `${JSON.stringify(schema)}\n`);

/** Names of properties may be any word, also `description`: only what describes a schema is taken out. */
function strict(schema: Schema): Schema {
  const kept: Schema = {};
  for (const [name, value] of Object.entries(schema)) {
    if (["description", "default", "example", "title"].includes(name) || name.startsWith("x-")) continue;
    if (name === "format" && !["int32", "int64"].includes(value as string)) continue;
    if (name === "properties")
      kept[name] = Object.fromEntries(
        Object.entries(value as Record<string, Schema>).map(([key, each]) => [key, orNull(strict(each))]),
      );
    else if (["items", "additionalProperties", "not"].includes(name) && typeof value === "object")
      kept[name] = strict(value as Schema);
    else if (["allOf", "anyOf", "oneOf"].includes(name)) kept[name] = (value as Schema[]).map(strict);
    else kept[name] = value;
  }
  if (schema["x-kubernetes-int-or-string"]) {
    delete kept.type;
    kept.anyOf = [{ type: "integer" }, { type: "string" }];
  }
  if (kept.format === "int-or-string") kept.type = ["string", "integer"];
  const isOpen = schema["x-kubernetes-preserve-unknown-fields"] || schema.additionalProperties !== undefined;
  if (schema.properties && !isOpen) kept.additionalProperties = false;
  return kept;
}

/** Null is absent. */
const orNull = (schema: Schema): Schema =>
  typeof schema.type === "string" ? { ...schema, type: [schema.type, "null"] } : schema;

function vendorKubernetes(): void {
  const { definitions: all } = JSON.parse(
    readFileSync(join(moduleFolder(kubernetes), "api/openapi-spec/swagger.json"), "utf8"),
  ) as { definitions: Record<string, Schema> };
  const wanted = new Map<string, Schema>();
  const take = (name: string): void => {
    if (wanted.has(name)) return;
    const schema =
      name === "io.k8s.apimachinery.pkg.util.intstr.IntOrString"
        ? { type: ["string", "integer"] }
        : strict(all[name]!);
    wanted.set(name, schema);
    for (const [, next] of JSON.stringify(schema).matchAll(/"#\/definitions\/([^"]+)"/g)) take(next!);
  };
  for (const [apiVersion, names] of Object.entries(kinds)) {
    const [group, version] = apiVersion.includes("/") ? apiVersion.split("/") : ["", apiVersion];
    for (const kind of names) {
      const name = Object.keys(all).find((each) =>
        (
          all[each]!["x-kubernetes-group-version-kind"] as { group: string; version: string; kind: string }[]
        )?.some((one) => one.group === group && one.version === version && one.kind === kind),
      )!;
      take(name);
      write(fileName(group!, version!, kind), { $ref: `_definitions.json#/definitions/${name}` });
    }
  }
  // People may write `data: null`, and this is no patch: who owns which field is not theirs to say.
  write("_definitions.json", {
    definitions: Object.fromEntries([...wanted].sort(([a], [b]) => (a < b ? -1 : 1))),
  });
}

function vendorCustom(module: string, file: string): void {
  for (const document of parseAllDocuments(readFileSync(join(moduleFolder(module), file), "utf8"))) {
    const definition = document.toJS() as {
      kind?: string;
      spec: {
        group: string;
        names: { kind: string };
        versions: { name: string; served: boolean; schema: { openAPIV3Schema: Schema } }[];
      };
    } | null;
    if (definition?.kind !== "CustomResourceDefinition") continue;
    const { group, names, versions } = definition.spec;
    for (const { name, served, schema } of versions)
      if (served) {
        const made = strict(schema.openAPIV3Schema);
        (made.properties as Record<string, Schema>).metadata = {
          $ref: "_definitions.json#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta",
        };
        write(fileName(group, name, names.kind), made);
      }
  }
}

rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });
vendorKubernetes();
for (const [module, file] of definitions) vendorCustom(module, file);

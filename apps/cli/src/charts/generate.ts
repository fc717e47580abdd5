// The chart's two generated files: values.schema.json, and the README with its table of values.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { configSchema } from "@signalbox/core/config";
import { parse } from "yaml";
import { z } from "zod";
import { platformVersion } from "../repository.ts";
import { chartFolder } from "./render.ts";
import { configVariables, valuesSchema } from "./values.ts";

type Json = { [name: string]: unknown };
type Schema = {
  type?: string | string[];
  description?: string;
  properties?: Record<string, Schema>;
  additionalProperties?: boolean | Schema;
  anyOf?: Schema[];
  enum?: unknown[];
  [name: string]: unknown;
};

const toJson = (schema: z.ZodType): Schema =>
  z.toJSONSchema(schema, { target: "draft-7", io: "input", unrepresentable: "any" }) as Schema;

/** What a variable may be, as the platform itself reads it; empty is how people write "not set". */
function variableSchema(name: string): Schema {
  const { $schema: _, default: value, ...schema } = toJson(configSchema.shape[name as never]);
  const described = value === undefined || value === "" ? {} : { description: `without it ${value}` };
  return { anyOf: [schema, { const: "" }], ...described };
}

function valuesJsonSchema(): string {
  const schema = toJson(valuesSchema);
  const { config } = schema.properties as { config: Schema };
  config.properties = Object.fromEntries(configVariables.map((name) => [name, variableSchema(name)]));
  return `${JSON.stringify({ ...schema, title: "Values of the Signalbox chart" }, null, 2)}\n`;
}

/** `defaults` of values.yaml: what stands in the table where nobody says otherwise. */
function chartReadme(defaults: Json): string {
  const schema = JSON.parse(valuesJsonSchema()) as Schema;
  return `# Signalbox chart

Every role of the platform, as one looped template. No database is bundled: name your own Postgres and Redis (or let the CloudNativePG
operator make one). How to install, upgrade and what was not run on a real cluster: \`docs/install-helm.md\`.

A name that is not in this table is refused, except at the root and under \`global\`, where people share files between charts.
Settings under \`roles.<role>\` and \`services.<name>\` are those of \`defaults\`, for that role alone; a list there takes the place of the one in \`defaults\`.

| value | default | meaning |
|---|---|---|
${rows(schema, defaults)
  .map((cells) => `| ${cells.join(" | ")} |`)
  .join("\n")}

Made from the platform's configuration and \`apps/cli/src/charts/values.ts\`; \`UPDATE_DOCS=1 ./signalbox test unit charts\` writes it anew.
`;
}

function rows(schema: Schema, defaults: unknown, path = ""): string[][] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, each]) => {
    const here = path ? `${path}.${name}` : name;
    const value = defaults && typeof defaults === "object" ? (defaults as Json)[name] : undefined;
    if (path === "roles" && !["workers"].includes(name)) return [];
    if (path === "roles.workers" && !["keda", "canary"].includes(name)) return [];
    // Three doors with the same settings are told once.
    if ((path === "routes" || path === "ingress") && name !== "gateway") return [];
    const shown = /^(routes|ingress)\.gateway$/.test(here) ? here.replace("gateway", "<door>") : here;
    if (here === "services") return [...serviceRows(each, value), row(here, each, value)].reverse();
    if (each.properties && Object.keys(each.properties).length > 0)
      return rows(each, value, here).map(([first = "", ...rest]) => [first.replace(here, shown), ...rest]);
    return [row(shown, each, value)];
  });
}

function serviceRows(schema: Schema, value: unknown): string[][] {
  const { modules, canary } = (schema.additionalProperties as Schema).properties as Record<string, Schema>;
  const api = (value as Record<string, Json>).api!;
  return [
    ...rows(canary!, api.canary, "services.<name>.canary"),
    row("services.<name>.modules", modules!, api.modules),
  ].reverse();
}

function row(path: string, schema: Schema, value: unknown): string[] {
  const known = value === undefined ? "" : `\`${JSON.stringify(value).replaceAll("|", "\\|")}\``;
  return [`\`${path}\``, known.length > 60 ? "" : known, schema.description ?? wordsOf(schema)];
}

const wordsOf = (schema: Schema): string =>
  schema.enum ? schema.enum.map((word) => `\`${word}\``).join(", ") : "";

export const chartValues = () => parse(readFileSync(join(chartFolder, "values.yaml"), "utf8")) as Json;

export const generatedFiles = (): { path: string; text: string }[] => [
  { path: join(chartFolder, "values.schema.json"), text: valuesJsonSchema() },
  { path: join(chartFolder, "README.md"), text: chartReadme(chartValues()) },
];

/** What says something else than it was made from, as when a variable was added or the platform got another version. */
export function staleFindings(): string[] {
  const { version, appVersion } = parse(readFileSync(join(chartFolder, "Chart.yaml"), "utf8")) as Json;
  const current = platformVersion();
  return [
    ...generatedFiles()
      .filter(({ path, text }) => readFileSync(path, "utf8") !== text)
      .map(({ path }) => `${path} is not current. Type: UPDATE_DOCS=1 ./signalbox test unit charts`),
    ...(version === current && appVersion === current
      ? []
      : [
          `charts/signalbox/Chart.yaml says ${version} and ${appVersion}, and the platform is ${current}. Write that there.`,
        ]),
  ];
}

// Each profile that is promised, held against all that can be held against it without a cluster. `./signalbox check` runs it as a
// program; the tests of distribution use its parts.

import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { Fault, faultLine } from "../fault.ts";
import { staleFindings } from "./generate.ts";
import { duplicateFindings, hookFindings, podFindings, scalingFindings } from "./lints.ts";
import { chartFolder, type Manifest, profiles, readManifests, renderText, schemaLocation } from "./render.ts";
import { requireTool } from "./tools.ts";

const run = promisify(execFile);

/** The one that makes the install's secrets asks the API; nobody else does. */
const mayHaveToken = (name: string) => name.includes("-bootstrap-");

export const lint = (manifests: Manifest[]): string[] => [
  ...hookFindings(manifests, ["Secret demo-signalbox-secrets"]),
  ...podFindings(manifests, mayHaveToken),
  ...duplicateFindings(manifests),
  ...scalingFindings(manifests),
];

/** Against the schemas of Kubernetes and of the operators: a field that nobody knows is a fault. */
export async function schemaFindings(kubeconform: string, text: string): Promise<string[]> {
  const folder = mkdtempSync(join(tmpdir(), "signalbox-chart-"));
  try {
    const file = join(folder, "rendered.yaml");
    writeFileSync(file, text);
    const args = ["-strict", "-output", "json", "-summary", "-schema-location", schemaLocation, file];
    const { stdout } = await run(kubeconform, args, { maxBuffer: 1 << 24 }).catch(
      (error: { stdout?: string }) => {
        if (!error.stdout) throw error;
        return { stdout: error.stdout };
      },
    );
    const { resources = [] } = JSON.parse(stdout) as {
      resources: { kind: string; name: string; status: string; msg: string }[] | null;
    };
    return (resources ?? []).map(({ kind, name, msg }) => `${kind} ${name}: ${msg}`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

export async function profileFindings(
  tools: { helm: string; kubeconform: string },
  values: string,
): Promise<string[]> {
  const [first, second] = [
    await renderText(tools.helm, { values: [values] }),
    await renderText(tools.helm, { values: [values] }),
  ];
  const linted = await run(tools.helm, [
    ...["lint", chartFolder, "--strict", "--quiet", "--kube-version", "1.35.0", "--values", values],
    "--set",
    "crdCheck=false",
  ]).then(
    () => [],
    ({ stdout, stderr }: { stdout: string; stderr: string }) => [`helm lint: ${stdout}${stderr}`.trim()],
  );
  return [
    ...(first === second ? [] : ["it is another text at its second render"]),
    ...linted,
    ...(await schemaFindings(tools.kubeconform, first)),
    ...lint(readManifests(first)),
  ];
}

if (import.meta.main) {
  for (const finding of staleFindings()) {
    console.log(finding);
    process.exitCode = 1;
  }
  try {
    const say = (text: string) => console.error(text);
    const tools = {
      helm: await requireTool("helm", say),
      kubeconform: await requireTool("kubeconform", say),
    };
    for (const [name, values] of Object.entries(profiles))
      for (const finding of await profileFindings(tools, values)) {
        console.log(`charts/signalbox/examples/${name}.yaml: ${finding}`);
        process.exitCode = 1;
      }
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    console.log(faultLine(error));
    // Away from CI, charts are checked where they can be.
    if (process.env.CI === "true") process.exitCode = 1;
  }
}

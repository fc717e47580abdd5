// check: format, lint, types, dead code and charts, side by side, with all that is wrong shown at once.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import type { Command } from "../command.ts";
import { root } from "../repository.ts";
import { dim, green, red } from "../screen.ts";

type Check = { name: string; script: string; args: string[] };
type Result = Check & { ok: boolean; output: string; ms: number };

export const command: Command = {
  name: "check",
  usage: "check [--fix]",
  text: "Checks format, lint, types, dead code and charts: exactly what CI checks.",
  words: 0,
  options: { fix: { type: "boolean", text: "apply Biome's fixes first" } },
  async run(values) {
    const began = performance.now();
    const queue = checks(values.fix === true);
    const results: Result[] = [];
    const one = async (check: Check) => {
      const result = await run(check);
      results.push(result);
      const sign = result.ok ? green("✓") : red("✗");
      console.log(`  ${sign} ${result.name.padEnd(20)} ${dim(`${(result.ms / 1000).toFixed(1)} s`)}`);
    };
    const lane = async () => {
      for (let next = queue.shift(); next; next = queue.shift()) await one(next);
    };
    // Fixing rewrites files that the others read, so it goes first and alone.
    if (values.fix) await one(queue.shift()!);
    await Promise.all(Array.from({ length: Math.min(availableParallelism(), 4) }, lane));
    const failed = results.filter(({ ok }) => !ok);
    for (const { name, output } of failed) console.log(`\n── ${name} ──\n${output.trim()}`);
    const total = ((performance.now() - began) / 1000).toFixed(1);
    console.log(
      failed.length
        ? `\n${failed.length} of ${results.length} checks failed in ${total} s`
        : `\nAll is well in ${total} s`,
    );
    return failed.length ? 1 : 0;
  },
};

// Hints are for editors; here only what must change is shown.
const biomeShow = ["--diagnostic-level=warn", `--colors=${process.stdout.isTTY ? "force" : "off"}`];

function checks(fix: boolean): Check[] {
  const tool = (path: string) => join(root, "node_modules", path);
  const types = ["tsconfig.json", "apps/console/tsconfig.json", "packages/ui/tsconfig.json"]
    .filter((project) => existsSync(join(root, project)))
    .map((project) => ({
      name: project === "tsconfig.json" ? "types" : `types ${project.split("/")[1]}`,
      script: tool("typescript/bin/tsc"),
      args: ["--noEmit", "-p", project],
    }));
  return [
    {
      name: "format and lint",
      script: tool("@biomejs/biome/bin/biome"),
      args: [...(fix ? ["check", "--write"] : ["ci"]), ...biomeShow, "."],
    },
    ...types,
    { name: "dead code", script: tool("knip/bin/knip.js"), args: ["--no-progress"] },
    { name: "charts", script: join(root, "apps/cli/src/charts/check-profiles.ts"), args: [] },
  ];
}

function run(check: Check): Promise<Result> {
  const began = performance.now();
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [check.script, ...check.args], {
      cwd: root,
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, ...(process.stdout.isTTY ? { FORCE_COLOR: "1" } : { NO_COLOR: "1" }) },
    });
    let output = "";
    const done = (ok: boolean) => resolve({ ...check, ok, output, ms: performance.now() - began });
    child.stdout.on("data", (chunk) => (output += chunk));
    child.stderr.on("data", (chunk) => (output += chunk));
    child.once("error", (error) => {
      output += error.message;
      done(false);
    });
    child.once("close", (code) => done(code === 0));
  });
}

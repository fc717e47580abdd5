// bench: runs one benchmark, or all in turn. Words after the name are its own.
import { spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import { basename, join } from "node:path";
import type { Command } from "../command.ts";
import { Fault } from "../fault.ts";
import { nearest } from "../nearest.ts";
import { root } from "../repository.ts";

const folder = join(root, "bench");

export const command: Command = {
  name: "bench",
  usage: "bench [NAME] [--json] [OPTIONS OF THE BENCHMARK]",
  text: `Runs a benchmark, or all of them: ${names().join(", ") || "there are none yet"}.
Each prints its figures against a stated limit or peer; --json prints one object and nothing else.`,
  options: {},
  async run(_values, words) {
    const known = names();
    const name = words[0]?.startsWith("-") ? undefined : words[0];
    const rest = name ? words.slice(1) : words;
    if (name !== undefined && !known.includes(name)) {
      const near = nearest(name, known);
      throw new Fault(
        `Unknown benchmark "${name}".`,
        near ? `Did you mean "${near}"?` : `There are: ${known.join(", ") || "none yet"}.`,
      );
    }
    let failed = 0;
    for (const each of name ? [name] : known) failed += (await run(each, rest)) === 0 ? 0 : 1;
    return failed ? 1 : 0;
  },
};

function names(): string[] {
  return readdirSync(folder)
    .filter((file) => file.endsWith(".ts") && !file.endsWith(".test.ts"))
    .map((file) => basename(file, ".ts"));
}

function run(name: string, words: string[]): Promise<number> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [join(folder, `${name}.ts`), ...words], {
      cwd: root,
      stdio: "inherit",
    });
    child.once("error", () => resolve(1));
    child.once("close", (code) => resolve(code ?? 1));
  });
}

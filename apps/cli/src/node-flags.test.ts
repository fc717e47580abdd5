// A role is told the same wherever it runs: what the laptop's install says, the images, Compose and the chart say too.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { nodeFlags } from "./node-flags.ts";
import { root } from "./repository.ts";

const kinds: Record<string, readonly string[]> = {
  "apps/api/src/main.ts": nodeFlags.calls,
  "apps/workers/src/main.ts": nodeFlags.jobs,
  "apps/workers/src/relay.ts": nodeFlags.jobs,
  "apps/cli/src/backup/agent.ts": nodeFlags.jobs,
  "apps/console/server.js": nodeFlags.console,
};

/** Every list of words that names one of them, with the flags before it. */
function told(path: string): [string, string[]][] {
  const lists = readFileSync(join(root, path), "utf8").matchAll(/\[("--[^\]]*)\]/g);
  return [...lists].flatMap(([, words = ""]): [string, string[]][] => {
    const all = words.split(", ").map((word) => word.replaceAll('"', ""));
    const main = all.at(-1)!;
    return kinds[main] ? [[main, all.slice(0, -1)]] : [];
  });
}

for (const [path, mains] of [
  ["Dockerfile", ["apps/api/src/main.ts", "apps/console/server.js"]],
  [
    "compose/compose.yaml",
    ["apps/workers/src/main.ts", "apps/workers/src/relay.ts", "apps/cli/src/backup/agent.ts"],
  ],
  [
    "charts/signalbox/templates/_roles.tpl",
    ["apps/api/src/main.ts", "apps/workers/src/main.ts", "apps/workers/src/relay.ts"],
  ],
] as const)
  test(`${path} tells each role's Node.js what a laptop's install tells it`, () => {
    const found = told(path);
    for (const main of mains)
      assert.ok(
        found.some(([name]) => name === main),
        `${main} is told nothing`,
      );
    for (const [main, flags] of found) assert.deepEqual(flags, kinds[main], main);
  });

test("what is compiled into the image is compiled with the flags that it is started with", () => {
  const text = readFileSync(join(root, "Dockerfile"), "utf8");
  for (const flags of [nodeFlags.calls, nodeFlags.jobs]) assert.ok(text.includes(`node ${flags.join(" ")} `));
});

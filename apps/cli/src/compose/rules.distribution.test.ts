// The alerts of the Compose install, tried by promtool with the cases that lie beside them.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { requirePromtool } from "../charts/tools.ts";
import { root } from "../repository.ts";

const run = promisify(execFile);
const cwd = join(root, "compose/metrics");

test("each alert fires in its case and is quiet before", { timeout: 15 * 60_000 }, async () => {
  const promtool = await requirePromtool((text) => console.error(text));
  await run(promtool, ["check", "rules", "rules.yml"], { cwd });
  const { stdout } = await run(promtool, ["test", "rules", "rules.test.yml"], { cwd });
  assert.match(stdout, /SUCCESS/);
});

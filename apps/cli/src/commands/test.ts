// test: runs the stages of the test suite, each with what it needs, and adds up their totals.
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, globSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { requireChromium } from "../chromium.ts";
import type { Command } from "../command.ts";
import { stopEngine } from "../compose/machine.ts";
import { startTestEngines, type TestEngines } from "../engines/for-tests.ts";
import { Fault } from "../fault.ts";
import { readJson } from "../files.ts";
import { nearest } from "../nearest.ts";
import { root } from "../repository.ts";
import { runTestFiles, type Totals } from "../testing/test-files.ts";

/** Again: what passed on its second run only. */
type Result = Totals & { again: string[] };
type Stage = (filter: string | undefined, engines: () => Promise<TestEngines>) => Promise<Result>;

const nothing: Result = { passed: 0, failed: 0, skipped: 0, again: [] };

const where = "{packages,apps}/*/src/**/*";
const special = /\.(integration|long|distribution)\.test\.ts$/;

const stages: Record<string, Stage> = {
  unit: (filter, engines) =>
    nodeTests([`${where}.test.ts`, "bench/**/*.test.ts"], special, filter, engines, {
      atOnce: 2,
      minutes: 4,
    }),
  integration: (filter, engines) =>
    nodeTests([`${where}.integration.test.ts`], undefined, filter, engines, { atOnce: 1, minutes: 6 }),
  e2e: (filter) => browserTests(filter),
  long: (filter, engines) =>
    nodeTests([`${where}.long.test.ts`, "bench/**/*.long.test.ts"], undefined, filter, engines, {
      atOnce: 1,
      minutes: 180,
    }),
  distribution: (filter, engines) =>
    nodeTests([`${where}.distribution.test.ts`], undefined, filter, engines, {
      atOnce: 1,
      minutes: 40,
    }).finally(stopEngine),
};
const usual = ["unit", "integration", "e2e"];

export const command: Command = {
  name: "test",
  usage: "test [unit|integration|e2e|distribution|long] [WORD]",
  text: `Runs unit, integration and e2e, or the one stage that is named; WORD picks the files whose path contains it.
  unit         *.test.ts, in process, on a Postgres and a Redis of their own
  integration  *.integration.test.ts, whole processes
  e2e          browser tests in e2e/, in Chromium
  distribution *.distribution.test.ts: charts by the real helm, containers, upgrades; only when named
  long         *.long.test.ts: repeated kills, big data, soak; only when named`,
  words: 2,
  options: {},
  async run(_values, [stage, filter]) {
    if (stage && !stages[stage]) {
      const near = nearest(stage, Object.keys(stages));
      throw new Fault(
        `Unknown test stage "${stage}".`,
        near ? `Did you mean "${near}"?` : `There are: ${Object.keys(stages).join(", ")}.`,
      );
    }
    return runStages(stage ? [stage] : usual, filter);
  },
};

const children = new Set<ChildProcess>();
let interrupted = false;

async function runStages(names: string[], filter: string | undefined): Promise<number> {
  let started: Promise<TestEngines> | undefined;
  const engines = () => (started ??= givenEngines() ?? startTestEngines());
  for (const signal of ["SIGINT", "SIGTERM"] as const)
    process.on(signal, () => {
      interrupted = true;
      for (const child of children) child.kill(signal);
    });
  const all: Totals = { passed: 0, failed: 0, skipped: 0 };
  try {
    for (const name of names) {
      if (interrupted) break;
      const began = performance.now();
      if (names.length > 1) console.log(`\n── ${name} ──`);
      const { passed, failed, skipped, again } = await stages[name]!(filter, engines);
      all.passed += passed;
      all.failed += failed;
      all.skipped += skipped;
      const took = ((performance.now() - began) / 1000).toFixed(1);
      console.log(`${name}: ${passed} passed, ${failed} failed, ${skipped} skipped in ${took} s`);
      for (const what of again) console.log(`passed on its second run only, look at it: ${what}`);
    }
  } finally {
    await (await started)?.stop();
  }
  if (!all.passed && !all.failed)
    console.log(filter ? `No test file has "${filter}" in its path.` : "No test ran.");
  console.log(`${all.passed} passed, ${all.failed} failed, ${all.skipped} skipped`);
  return all.failed || !all.passed || interrupted ? 1 : 0;
}

// Engines from outside, such as those of another run, are used as they are.
function givenEngines(): Promise<TestEngines> | undefined {
  const { TEST_DATABASE_URL: databaseUrl, TEST_REDIS_URL: redisUrl } = process.env;
  return databaseUrl && redisUrl
    ? Promise.resolve({ databaseUrl, redisUrl, stop: async () => {} })
    : undefined;
}

async function nodeTests(
  patterns: string[],
  without: RegExp | undefined,
  filter: string | undefined,
  engines: () => Promise<TestEngines>,
  { atOnce, minutes }: { atOnce: number; minutes: number },
): Promise<Result> {
  const files = globSync(patterns, { cwd: root, exclude: (path) => String(path).includes("node_modules") })
    .filter((file) => !without?.test(file) && (!filter || file.includes(filter)))
    .sort();
  if (!files.length) return nothing;
  const { databaseUrl, redisUrl } = await engines();
  const env = { TEST_DATABASE_URL: databaseUrl, TEST_REDIS_URL: redisUrl };
  return runTestFiles(files, { atOnce, minutes, env }, () => interrupted, children);
}

async function browserTests(filter: string | undefined): Promise<Result> {
  if (!existsSync(join(root, "e2e/playwright.config.ts"))) return nothing;
  const chromium = await requireChromium((text) => console.error(text));
  const scratch = mkdtempSync(join(tmpdir(), "signalbox-totals-"));
  const report = join(scratch, "report.json");
  const cli = join(root, "node_modules/@playwright/test/cli.js");
  const args = [
    cli,
    "test",
    "-c",
    "e2e/playwright.config.ts",
    "--reporter=list,json",
    ...(filter ? [filter] : []),
  ];
  const code = await run(process.execPath, args, {
    PLAYWRIGHT_JSON_OUTPUT_NAME: report,
    SIGNALBOX_CHROMIUM: chromium,
  });
  const stats = readJson<{ stats: Record<"expected" | "unexpected" | "flaky" | "skipped", number> }>(
    report,
  )?.stats;
  rmSync(scratch, { recursive: true, force: true });
  // A runner that failed without a failing test (a file that does not load, a crash) counts as one failure.
  const failed = Math.max(stats?.unexpected ?? 0, code === 0 ? 0 : 1);
  if (!stats) return { ...nothing, failed };
  const again = stats.flaky > 0 ? [`${stats.flaky} browser tests, called flaky above`] : [];
  return { passed: stats.expected + stats.flaky, failed, skipped: stats.skipped, again };
}

function run(commandPath: string, args: string[], environment: Record<string, string>): Promise<number> {
  const { NODE_TEST_CONTEXT: _, ...inherited } = process.env;
  return new Promise((resolve) => {
    const child = spawn(commandPath, args, {
      cwd: root,
      stdio: "inherit",
      env: { ...inherited, ...environment },
    });
    children.add(child);
    child.once("error", () => resolve(1));
    child.once("close", (code) => {
      children.delete(child);
      resolve(code ?? 1);
    });
  });
}

// test: runs the stages of the test suite, each with what it needs, and adds up their totals.
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, globSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { requireChromium } from "../chromium.ts";
import type { Command } from "../command.ts";
import { startTestEngines, type TestEngines } from "../engines/for-tests.ts";
import { Fault } from "../fault.ts";
import { readJson } from "../files.ts";
import { nearest } from "../nearest.ts";
import { root } from "../repository.ts";

type Totals = { passed: number; failed: number; skipped: number };
type Stage = (filter: string | undefined, engines: () => Promise<TestEngines>) => Promise<Totals>;

const where = "{packages,apps}/*/src/**/*";
const special = /\.(integration|long|distribution)\.test\.ts$/;

const stages: Record<string, Stage> = {
  unit: (filter, engines) =>
    nodeTests([`${where}.test.ts`, "bench/**/*.test.ts"], special, filter, engines, {
      atOnce: 2,
      minutes: 2,
    }),
  integration: (filter, engines) =>
    nodeTests([`${where}.integration.test.ts`], undefined, filter, engines, { atOnce: 1, minutes: 5 }),
  e2e: (filter) => browserTests(filter),
  long: (filter, engines) =>
    nodeTests([`${where}.long.test.ts`, "bench/**/*.long.test.ts"], undefined, filter, engines, {
      atOnce: 1,
      minutes: 180,
    }),
};
const usual = ["unit", "integration", "e2e"];

export const command: Command = {
  name: "test",
  usage: "test [unit|integration|e2e|long] [WORD]",
  text: `Runs unit, integration and e2e, or the one stage that is named; WORD picks the files whose path contains it.
  unit         *.test.ts, in process, on a Postgres and a Redis of their own
  integration  *.integration.test.ts, whole processes
  e2e          browser tests in e2e/, in Chromium
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

async function runStages(names: string[], filter: string | undefined): Promise<number> {
  let started: Promise<TestEngines> | undefined;
  let interrupted = false;
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
      const { passed, failed, skipped } = await stages[name]!(filter, engines);
      all.passed += passed;
      all.failed += failed;
      all.skipped += skipped;
      const took = ((performance.now() - began) / 1000).toFixed(1);
      console.log(`${name}: ${passed} passed, ${failed} failed, ${skipped} skipped in ${took} s`);
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
): Promise<Totals> {
  const files = globSync(patterns, { cwd: root, exclude: (path) => String(path).includes("node_modules") })
    .filter((file) => !without?.test(file) && (!filter || file.includes(filter)))
    .sort();
  if (!files.length) return { passed: 0, failed: 0, skipped: 0 };
  const { databaseUrl, redisUrl } = await engines();
  const scratch = mkdtempSync(join(tmpdir(), "signalbox-totals-"));
  const totals = join(scratch, "totals.json");
  const reporter = join(root, "apps/cli/src/testing/totals-reporter.ts");
  const args = [
    ...["--test", `--test-concurrency=${atOnce}`, `--test-timeout=${minutes * 60_000}`],
    ...["--test-reporter=spec", "--test-reporter-destination=stdout"],
    ...[`--test-reporter=${reporter}`, `--test-reporter-destination=${totals}`],
    ...files,
  ];
  const code = await run(process.execPath, args, {
    TEST_DATABASE_URL: databaseUrl,
    TEST_REDIS_URL: redisUrl,
  });
  return settle(code, readJson<Totals>(totals), scratch);
}

async function browserTests(filter: string | undefined): Promise<Totals> {
  if (!existsSync(join(root, "e2e/playwright.config.ts"))) return { passed: 0, failed: 0, skipped: 0 };
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
  const totals = stats && {
    passed: stats.expected + stats.flaky,
    failed: stats.unexpected,
    skipped: stats.skipped,
  };
  return settle(code, totals, scratch);
}

// A runner that failed without a failing test (a file that does not load, a crash) counts as one failure.
function settle(code: number, totals: Totals | undefined, scratch: string): Totals {
  rmSync(scratch, { recursive: true, force: true });
  const counted = totals ?? { passed: 0, failed: 0, skipped: 0 };
  return code !== 0 && counted.failed === 0 ? { ...counted, failed: 1 } : counted;
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

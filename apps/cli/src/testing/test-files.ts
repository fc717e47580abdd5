// Runs test files, each in a process of its own, so that one that hangs or crashes costs itself alone and not its stage.
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readJson } from "../files.ts";
import { root } from "../repository.ts";

export type Totals = { passed: number; failed: number; skipped: number };

type Outcome = Totals & { output: string };

/** After this long a process that was asked to end is killed. */
const graceMs = 10_000;

/**
 * A file that fails is run once more at the end, alone: what fails twice has failed. What passes then is named,
 * because somebody has to look at it. More than a few such files are no accident.
 */
const secondRuns = 3;

const perFileTotals = /^ℹ (tests|suites|pass|fail|cancelled|skipped|todo|duration_ms) /;

export async function runTestFiles(
  files: string[],
  { atOnce, minutes, env }: { atOnce: number; minutes: number; env: Record<string, string> },
  isInterrupted: () => boolean,
  children: Set<ChildProcess>,
): Promise<Totals & { again: string[] }> {
  const scratch = mkdtempSync(join(tmpdir(), "signalbox-totals-"));
  const totals = { passed: 0, failed: 0, skipped: 0 };
  const add = (one: Totals) => {
    totals.passed += one.passed;
    totals.failed += one.failed;
    totals.skipped += one.skipped;
  };
  const failed: { file: string; first: Outcome }[] = [];
  const again: string[] = [];

  const runOne = (file: string) => run(file, minutes, env, scratch, children);
  async function worker(queue: string[]): Promise<void> {
    for (let file = queue.shift(); file && !isInterrupted(); file = queue.shift()) {
      const outcome = await runOne(file);
      if (outcome.failed && !isInterrupted()) failed.push({ file, first: outcome });
      else {
        add(outcome);
        console.log(`${file}\n${outcome.output}`);
      }
    }
  }

  try {
    const queue = [...files];
    await Promise.all(Array.from({ length: atOnce }, () => worker(queue)));
    for (const { file, first } of failed) {
      if (failed.length > secondRuns || isInterrupted()) {
        add(first);
        console.log(`${file}\n${first.output}`);
        continue;
      }
      const second = await runOne(file);
      add(second);
      if (!second.failed) again.push(file);
      console.log(`${file}, first run\n${first.output.replaceAll(/^/gm, "  | ")}`);
      console.log(`${file}, second run\n${second.output}`);
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
  return { ...totals, again };
}

function run(
  file: string,
  minutes: number,
  env: Record<string, string>,
  scratch: string,
  children: Set<ChildProcess>,
): Promise<Outcome> {
  const report = join(scratch, `${file.replaceAll("/", "-")}.json`);
  rmSync(report, { force: true });
  const reporter = join(root, "apps/cli/src/testing/totals-reporter.ts");
  const args = [
    // A test that hangs ends before its file does, so that it is the one that is named.
    ...["--test", "--test-isolation=none", `--test-timeout=${minutes * 30_000}`],
    ...["--test-reporter=spec", "--test-reporter-destination=stdout"],
    ...[`--test-reporter=${reporter}`, `--test-reporter-destination=${report}`],
    file,
  ];
  const { NODE_TEST_CONTEXT: _, ...inherited } = process.env;
  return new Promise((resolve) => {
    const child = spawn(process.execPath, args, {
      cwd: root,
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...inherited, ...env },
    });
    children.add(child);
    let output = "";
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding("utf8").on("data", (text: string) => {
        output += text;
      });
    // Interrupted, the runner still says which test it was at.
    let isLate = false;
    let kill: NodeJS.Timeout | undefined;
    const end = setTimeout(() => {
      isLate = true;
      child.kill("SIGINT");
      kill = setTimeout(() => child.kill("SIGKILL"), graceMs);
    }, minutes * 60_000);
    let code: number | null = 1;
    child.once("error", (error) => {
      output += String(error);
      finish();
    });
    child.once("exit", (exitCode) => {
      code = exitCode;
      // What the file started and left behind may hold its streams.
      setTimeout(finish, 1_000);
    });
    child.once("close", finish);

    let isDone = false;
    function finish(): void {
      if (isDone) return;
      isDone = true;
      clearTimeout(end);
      clearTimeout(kill);
      children.delete(child);
      child.stdout?.destroy();
      child.stderr?.destroy();
      if (isLate) output += `✖ ${file} did not end within ${minutes} minutes, and was ended.\n`;
      const counted = readJson<Totals>(report) ?? { passed: 0, failed: 0, skipped: 0 };
      // A process that fails without a failing test (a file that does not load, a crash) counts as one failure.
      const hasFailed = code !== 0 || isLate;
      const failures = hasFailed ? Math.max(1, counted.failed) : counted.failed;
      const lines = output.split("\n").filter((line) => !perFileTotals.test(line));
      resolve({ ...counted, failed: failures, output: lines.join("\n") });
    }
  });
}

// A whole install for a test, started and stopped through the command as a user would.

import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { root } from "../repository.ts";

const run = promisify(execFile);

type RunFile = {
  api: string;
  operator: string;
  console: string | null;
  postgres: string;
  redis: string;
  operatorToken: string;
  processes: { name: string; pid: number }[];
};

export type TestInstall = {
  /** Read anew each time: a restarted process has another pid. */
  runFile(): RunFile;
  pid(name: string): number;
  operatorToken: string;
  dataDir: string;
  signalbox(...args: string[]): Promise<string>;
  stop(): Promise<void>;
};

/** Installs of tests that run side by side differ by `portBase`. */
export async function startInstallForTest(options: {
  portBase: number;
  console?: boolean;
  env?: Record<string, string>;
}): Promise<TestInstall> {
  const dataDir = mkdtempSync(join(tmpdir(), "signalbox-install-"));
  const signalbox = async (...args: string[]) => {
    const { stdout } = await run(join(root, "signalbox"), [...args, "--data-dir", dataDir], {
      cwd: root,
      env: { ...process.env, ...options.env },
      maxBuffer: 1 << 24,
    });
    return stdout;
  };
  const stop = async () => {
    await signalbox("down");
    rmSync(dataDir, { recursive: true, force: true });
  };
  try {
    await signalbox(
      "up",
      "--detach",
      "--port-base",
      String(options.portBase),
      ...(options.console ? [] : ["--no-console"]),
    );
  } catch (error) {
    await stop().catch(() => {});
    throw error;
  }
  const runFile = () => JSON.parse(readFileSync(join(dataDir, "run.json"), "utf8")) as RunFile;
  return {
    runFile,
    pid(name) {
      const found = runFile().processes.find((process) => process.name === name);
      if (!found) throw new Error(`${name} is not among the processes of run.json`);
      return found.pid;
    },
    operatorToken: readFileSync(runFile().operatorToken, "utf8").trim(),
    dataDir,
    signalbox,
    stop,
  };
}

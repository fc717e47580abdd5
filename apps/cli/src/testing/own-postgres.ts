// A Postgres of a test's own, with the platform's schema in it: for what copies or ends a whole server.
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { freePort } from "@signalbox/core/testing/free-port";
import { requireUsableDatabase } from "../database-checks.ts";
import { embeddedDatabaseUrl, postgresAccepts, preparePostgres } from "../engines/postgres.ts";
import { closeLog, openLog } from "../supervisor/log-file.ts";

export type OwnPostgres = { url: string; password: string; kill(): Promise<void>; stop(): Promise<void> };

export async function startOwnPostgres(): Promise<OwnPostgres> {
  const base = mkdtempSync(join(tmpdir(), "signalbox-own-"));
  const [folder, port, password] = [join(base, "postgres"), await freePort(), "own-postgres-password"];
  const launch = await preparePostgres({ folder, port, password, throwaway: true });
  const { command, args, ...options } = launch();
  const log = openLog(join(base, "log"));
  const child: ChildProcess = spawn(command, args, { ...options, stdio: ["ignore", log, log] });
  closeLog(log);
  const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const end = async (signal: NodeJS.Signals) => {
    child.kill(signal);
    await gone;
  };
  const stop = async () => {
    if (child.exitCode === null && child.signalCode === null) await end("SIGQUIT");
    rmSync(base, { recursive: true, force: true });
  };
  try {
    for (const until = Date.now() + 60_000; !(await postgresAccepts(port)); await pause(20))
      if (Date.now() > until) throw new Error("the test's own Postgres did not start");
    const url = embeddedDatabaseUrl(port, password);
    await requireUsableDatabase(url, { create: true });
    const { migrate } = await import("@signalbox/db/migrate");
    await migrate(url);
    // SIGQUIT ends its children too, without a last checkpoint: as sudden as a test can be without leaving anything behind.
    return { url, password, kill: () => end("SIGQUIT"), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

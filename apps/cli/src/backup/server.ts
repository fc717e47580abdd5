// The embedded Postgres on a folder that was restored, just long enough to replay its log and to be asked.
import { spawn } from "node:child_process";
import { rmSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { freePort } from "@signalbox/core/testing/free-port";
import { connectDirect, type DirectClient } from "@signalbox/db/replication";
import { embeddedDatabaseUrl, postgresAccepts, preparePostgres } from "../engines/postgres.ts";
import { Fault } from "../fault.ts";
import { identify, sendSignal, waitUntilGone } from "../process-identity.ts";
import { lastWords, readTail } from "../supervisor/last-words.ts";
import { closeLog, openLog } from "../supervisor/log-file.ts";
import type { TableFigures } from "./archive.ts";
import { readRestored } from "./restored.ts";

const patienceMs = 600_000;

export async function recover(
  folder: string,
  { password, throwaway, log }: { password: string; throwaway: boolean; log: string },
): Promise<{ tables: TableFigures; lastCommitAt: Date | undefined }> {
  const port = await freePort();
  const launch = await preparePostgres({ folder, port, password, throwaway });
  const { command, args, ...options } = launch();
  const file = openLog(log);
  const child = spawn(command, args, {
    ...options,
    stdio: ["ignore", file, file],
  });
  closeLog(file);
  let isOver = false;
  child.once("exit", () => {
    isOver = true;
  });
  const identity = child.pid ? identify(child.pid) : undefined;
  try {
    await untilOpen(port, () => isOver, log);
    const client = await connectDirect(embeddedDatabaseUrl(port, password), "signalbox restore");
    try {
      await untilPromoted(client, () => isOver, log);
      return await readRestored(client);
    } finally {
      await client.end().catch(() => {});
    }
  } finally {
    if (identity && !isOver) {
      sendSignal(identity, "SIGINT");
      if (!(await waitUntilGone(identity, 60_000))) sendSignal(identity, "SIGKILL");
    }
    rmSync(log, { force: true });
  }
}

async function untilOpen(port: number, isOver: () => boolean, log: string): Promise<void> {
  for (const end = Date.now() + patienceMs; Date.now() < end; await pause(50)) {
    if (isOver()) throw refused(log);
    if (await postgresAccepts(port)) return;
  }
  throw refused(log);
}

async function untilPromoted(client: DirectClient, isOver: () => boolean, log: string): Promise<void> {
  for (const end = Date.now() + patienceMs; Date.now() < end; await pause(50)) {
    if (isOver()) throw refused(log);
    const { rows } = await client.query("select pg_is_in_recovery() as busy").catch(() => ({ rows: [] }));
    if ((rows as { busy: boolean }[])[0]?.busy === false) return;
  }
  throw refused(log);
}

function refused(log: string): Fault {
  const words = lastWords(log);
  if (/recovery ended before configured recovery target was reached/.test(readTail(log)))
    return new Fault(
      "The log ends before the instant that --at names.",
      "Name an earlier one, or take everything there is: --latest",
    );
  return new Fault(`The restored database did not come up: ${words}`, "Try another backup.");
}

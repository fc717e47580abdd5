// One-shot before the roles start: checks that the database will do, makes it if it is ours, and migrates it.
// A process of its own, so that the long-lived supervisor never loads a database client.

import { readConfig } from "@signalbox/core/config";
import { requireUsableDatabase } from "./database-checks.ts";
import { faultLine, toFault } from "./fault.ts";

export type Answer = { done: true } | { message: string; mend: string };

async function prepare(): Promise<void> {
  const { DATABASE_DIRECT_URL, DATABASE_URL } = readConfig(process.env);
  const url = DATABASE_DIRECT_URL ?? DATABASE_URL;
  // In Compose it starts beside this, and on a busy machine it is well for Docker before it is for everybody.
  const patienceMs = process.argv.includes("--patient") ? 60_000 : 0;
  await requireUsableDatabase(url, { create: process.argv.includes("--create"), patienceMs });
  const { migrate } = await import("@signalbox/db/migrate");
  await migrate(url);
}

try {
  await prepare();
  process.send?.({ done: true } satisfies Answer);
} catch (error) {
  console.error(error);
  const { message, mend } = toFault(error);
  if (process.send) process.send({ message, mend } satisfies Answer);
  else console.error(faultLine(toFault(error)));
  process.exitCode = 1;
}
process.disconnect?.();

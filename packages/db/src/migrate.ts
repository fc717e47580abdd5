// Brings a database to the newest schema. Safe to start from several processes at once: the second waits, then finds nothing to do.

import { fileURLToPath } from "node:url";
import { drizzle } from "drizzle-orm/postgres-js";
import { migrate as runMigrations } from "drizzle-orm/postgres-js/migrator";
import postgres from "postgres";
import { locks } from "./locks.ts";

export const migrationsFolder = fileURLToPath(new URL("../migrations", import.meta.url));

export async function migrate(url: string): Promise<void> {
  const sql = postgres(url, {
    max: 1,
    connect_timeout: 10,
    onnotice: () => {},
    connection: { application_name: "signalbox migrate" },
  });
  try {
    await sql`select pg_advisory_lock(${locks.migrate})`;
    await runMigrations(drizzle(sql), { migrationsFolder });
  } finally {
    await sql.end({ timeout: 5 });
  }
}

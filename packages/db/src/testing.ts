// A database of its own for each test file, cloned from one migrated template: milliseconds instead of migrations.

import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import postgres from "postgres";
import { locks } from "./locks.ts";
import { migrate, migrationsFolder } from "./migrate.ts";

export type TestDatabase = { url: string; drop(): Promise<void> };

/** `adminUrl` may create databases; `./signalbox test` gives it as TEST_DATABASE_URL. */
export async function createTestDatabase(adminUrl = process.env.TEST_DATABASE_URL): Promise<TestDatabase> {
  if (!adminUrl) throw new Error("TEST_DATABASE_URL is not set: run the tests with ./signalbox test");
  const admin = postgres(adminUrl, { max: 1, onnotice: () => {} });
  try {
    const template = await ensureTemplate(admin, adminUrl);
    const name = `test_${process.pid}_${Math.random().toString(36).slice(2, 10)}`;
    await admin.unsafe(`create database ${name} template ${template} strategy file_copy`);
    return { url: withDatabase(adminUrl, name), drop: () => drop(adminUrl, name) };
  } finally {
    await admin.end();
  }
}

/** For what happens before the migrations. */
export async function createEmptyTestDatabase(
  adminUrl = process.env.TEST_DATABASE_URL,
): Promise<TestDatabase> {
  if (!adminUrl) throw new Error("TEST_DATABASE_URL is not set: run the tests with ./signalbox test");
  const admin = postgres(adminUrl, { max: 1, onnotice: () => {} });
  try {
    const name = `test_empty_${process.pid}_${Math.random().toString(36).slice(2, 10)}`;
    await admin.unsafe(`create database ${name}`);
    return { url: withDatabase(adminUrl, name), drop: () => drop(adminUrl, name) };
  } finally {
    await admin.end();
  }
}

/** Named by what the migrations say, so that a changed one is never tested on an old template. */
async function ensureTemplate(admin: postgres.Sql, adminUrl: string): Promise<string> {
  const digest = createHash("sha256");
  for (const file of readdirSync(migrationsFolder)
    .filter((name) => name.endsWith(".sql"))
    .sort()) {
    digest.update(readFileSync(`${migrationsFolder}/${file}`));
  }
  const name = `template_${digest.digest("hex").slice(0, 16)}`;
  await admin`select pg_advisory_lock(${locks.testTemplate})`;
  try {
    const [found] = await admin`select 1 from pg_database where datname = ${name}`;
    if (found) return name;
    const half = `${name}_half`;
    await admin.unsafe(`drop database if exists ${half} with (force)`);
    await admin.unsafe(`create database ${half}`);
    await migrate(withDatabase(adminUrl, half));
    // Only a whole template bears the name that others look for.
    await admin.unsafe(`alter database ${half} rename to ${name}`);
    return name;
  } finally {
    await admin`select pg_advisory_unlock(${locks.testTemplate})`;
  }
}

async function drop(adminUrl: string, name: string): Promise<void> {
  const admin = postgres(adminUrl, { max: 1, onnotice: () => {} });
  await admin.unsafe(`drop database if exists ${name} with (force)`);
  await admin.end();
}

function withDatabase(url: string, name: string): string {
  const changed = new URL(url);
  changed.pathname = `/${name}`;
  return changed.href;
}

// Whether a Postgres will do: reachable, new enough, logical decoding on, allowed to replicate. Each fault names its mend.
import { setTimeout as pause } from "node:timers/promises";
import postgres from "postgres";
import { Fault } from "./fault.ts";

const oldestVersion = 16;

type DatabaseFacts = { version: number; versionText: string; walLevel: string; mayReplicate: boolean };

/** `patienceMs`: for one that is being started beside, which may not answer yet. */
export async function requireUsableDatabase(
  url: string,
  { create = false, patienceMs = 0 } = {},
): Promise<void> {
  if (create) await createDatabase(url);
  const facts = await askPatiently(url, patienceMs);
  if (facts.version < oldestVersion)
    throw new Fault(
      `Postgres at ${where(url)} is version ${facts.versionText}, too old.`,
      `Point DATABASE_URL at Postgres ${oldestVersion} or later, or unset it to use the embedded one.`,
    );
  if (facts.walLevel !== "logical")
    throw new Fault(
      `Postgres at ${where(url)} has wal_level=${facts.walLevel}, and the relay needs logical decoding.`,
      "Run there: ALTER SYSTEM SET wal_level = logical; then restart Postgres.",
    );
  if (!facts.mayReplicate)
    throw new Fault(
      `The user in DATABASE_URL may not read the database's log.`,
      `Run there: ALTER ROLE "${new URL(url).username}" REPLICATION;`,
    );
}

/** Not there, not known by name, slow, or starting and ending. */
const passing = [
  "ECONNREFUSED",
  "ECONNRESET",
  "ENOTFOUND",
  "EAI_AGAIN",
  "CONNECT_TIMEOUT",
  "ETIMEDOUT",
  "57P03",
  "57P01",
];

async function askPatiently(url: string, patienceMs: number): Promise<DatabaseFacts> {
  for (const end = Date.now() + patienceMs; ; await pause(500))
    try {
      return await askDatabase(url);
    } catch (error) {
      const { code, cause = {} } = error as { code?: string; cause?: { code?: string } };
      const why = code ?? (cause as { code?: string }).code;
      if (Date.now() >= end || !passing.includes(why ?? "")) throw error;
    }
}

async function askDatabase(url: string): Promise<DatabaseFacts> {
  return withDatabase(url, async (sql) => {
    const [row] = await sql<{ version: string; text: string; wal: string; replicate: boolean }[]>`
      select current_setting('server_version_num') as version, current_setting('server_version') as text,
             current_setting('wal_level') as wal,
             (select rolsuper or rolreplication from pg_roles where rolname = current_user) as replicate`;
    return {
      version: Math.floor(Number(row!.version) / 10_000),
      versionText: row!.text.split(" ")[0]!,
      walLevel: row!.wal,
      mayReplicate: row!.replicate,
    };
  });
}

async function createDatabase(url: string): Promise<void> {
  const admin = new URL(url);
  const name = admin.pathname.slice(1);
  admin.pathname = "/postgres";
  await withDatabase(admin.href, async (sql) => {
    const [found] = await sql`select 1 from pg_database where datname = ${name}`;
    if (found) return;
    try {
      await sql`create database ${sql(name)}`;
    } catch (error) {
      if ((error as { code?: string }).code !== "42P04") throw error;
    }
  });
}

async function withDatabase<T>(url: string, use: (sql: postgres.Sql) => Promise<T>): Promise<T> {
  let sql: postgres.Sql;
  try {
    if (!/^postgres(ql)?:$/.test(new URL(url).protocol)) throw new Error();
    sql = postgres(url, { max: 1, connect_timeout: 5, onnotice: () => {} });
  } catch {
    throw new Fault(
      "DATABASE_URL is not a Postgres URL.",
      "It looks like postgres://user:password@host:5432/database",
    );
  }
  try {
    return await use(sql);
  } catch (error) {
    const said = databaseFault(url, error as { code?: string; message?: string });
    if (said instanceof Fault) said.cause = error;
    throw said;
  } finally {
    await sql.end({ timeout: 1 }).catch(() => {});
  }
}

const where = (url: string) => {
  const { host, pathname } = new URL(url);
  return `${host}${pathname}`;
};

function databaseFault(url: string, error: { code?: string; message?: string }): unknown {
  const { username, hostname } = new URL(url);
  switch (error.code) {
    case "28P01":
    case "28000":
      return new Fault(
        `Postgres at ${where(url)} refused user "${decodeURIComponent(username)}": wrong password or no such user.`,
        "Correct the user and password in DATABASE_URL.",
      );
    case "3D000":
      return new Fault(
        `Postgres at ${where(url)} has no such database.`,
        "Create it there, or correct DATABASE_URL.",
      );
    case "ECONNREFUSED":
      return new Fault(`Nothing answers at ${where(url)}.`, "Start that Postgres, or correct DATABASE_URL.");
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return new Fault(`The host ${hostname} in DATABASE_URL is not known.`, "Correct DATABASE_URL.");
    case "CONNECT_TIMEOUT":
    case "ETIMEDOUT":
      return new Fault(
        `Postgres at ${where(url)} does not answer.`,
        "Check the network, or correct DATABASE_URL.",
      );
    case "53300":
      return new Fault(
        `Postgres at ${where(url)} has no connection left.`,
        "Raise max_connections there, or end idle clients.",
      );
    case "42501":
      return new Fault(
        `The user in DATABASE_URL lacks a right: ${error.message}.`,
        "Grant it, or use the database's owner.",
      );
    default:
      return error;
  }
}

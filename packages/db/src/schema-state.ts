// Whether the database has the schema that this code was written for. A process that comes before the migrations waits for them
// as one that is not ready; one of the release before stays ready while the next one's migrations run, as those only add.

import { readFileSync } from "node:fs";
import type { Check, CheckResult } from "@signalbox/core/health";
import type { Sql } from "./client.ts";
import { migrationsFolder } from "./migrate.ts";

type SchemaState = "current" | "behind" | "ahead" | "unknown";

/** When the newest migration that this code knows was written: drizzle keeps the same number in the database. */
const newestHere = (): number => {
  const { entries } = JSON.parse(readFileSync(`${migrationsFolder}/meta/_journal.json`, "utf8")) as {
    entries: { when: number }[];
  };
  return Math.max(...entries.map(({ when }) => when));
};

const results: Record<SchemaState, CheckResult> = {
  current: { status: "pass" },
  behind: {
    status: "fail",
    reason: "schema_behind",
    output: "the database's schema is older than this release: its migrations have not run yet",
  },
  ahead: {
    status: "warn",
    reason: "schema_ahead",
    output: "the database's schema is newer than this release",
  },
  // Whether the database answers is another check's word.
  unknown: { status: "pass", output: "the database does not say" },
};

const goodForMs = 10_000;
const answerWithinMs = 700;

/** Once all is well it is asked seldom and beside the caller, so that a database that hangs later does not speak through this. */
export function createSchemaCheck(sql: Sql): Check {
  const newest = newestHere();
  let known: SchemaState = "unknown";
  let knownAt = Number.NEGATIVE_INFINITY;
  let asking: Promise<void> | undefined;

  async function ask(): Promise<void> {
    try {
      const found = await readNewest(sql);
      known = found === newest ? "current" : found < newest ? "behind" : "ahead";
      knownAt = performance.now();
    } catch {
      // Kept as it was.
    }
  }

  return async () => {
    if (performance.now() - knownAt > goodForMs || known === "behind") {
      asking ??= ask().finally(() => {
        asking = undefined;
      });
      if (known !== "current") await within(answerWithinMs, asking);
    }
    return results[known];
  };
}

async function readNewest(sql: Sql): Promise<number> {
  const [table] = await sql<{ made: boolean }[]>`
    select to_regclass('drizzle.__drizzle_migrations') is not null as made`;
  if (!table!.made) return 0;
  const [row] = await sql<{ newest: number | null }[]>`
    select max(created_at)::float8 as newest from drizzle.__drizzle_migrations`;
  return row!.newest ?? 0;
}

async function within(ms: number, work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([work, late]);
  clearTimeout(timer);
}

// What is in every table, as two numbers: how many rows, and a sum of their hashes that does not depend on their order.
import type { DirectClient } from "@signalbox/db/replication";
import type { TableFigures } from "./archive.ts";

const hourMs = 3_600_000;

type Figures = { rows: string; hash: string | null };

/** In the snapshot of the transaction that the client is in. */
export async function readTables(client: DirectClient): Promise<TableFigures> {
  // Values are hashed as text, whose form must not depend on the server's settings.
  await client.query(
    "set local timezone to 'UTC'; set local datestyle to 'ISO'; set local intervalstyle to 'postgres'; set local extra_float_digits to 1; set local bytea_output to 'hex'; set local statement_timeout to 0",
  );
  const { rows } = await client.query(
    `select format('%I.%I', nspname, relname) as name from pg_class join pg_namespace on pg_namespace.oid = relnamespace
     where relkind = 'r' and relpersistence = 'p' and nspname not in ('pg_catalog', 'information_schema') order by 1`,
  );
  const tables: TableFigures = {};
  for (const { name } of rows as { name: string }[]) {
    const asked = {
      text: `select count(*) as rows, sum(hashtextextended(t::text, 0))::text as hash from only ${name} t`,
      query_timeout: hourMs,
    };
    const result = await client.query(asked);
    const [figures] = result.rows as [Figures];
    tables[name] = { rows: Number(figures.rows), hash: figures.hash ?? "0" };
  }
  return tables;
}

/** What is not as it must be, in words; empty where all is. */
export function compareTables(wanted: TableFigures, found: TableFigures): string[] {
  const names = [...new Set([...Object.keys(wanted), ...Object.keys(found)])].sort();
  return names.flatMap((name) => {
    const [a, b] = [wanted[name], found[name]];
    if (!a) return [`${name} was not in the backup`];
    if (!b) return [`${name} is missing`];
    if (a.rows !== b.rows) return [`${name} has ${b.rows} rows instead of ${a.rows}`];
    return a.hash === b.hash ? [] : [`${name} has other contents`];
  });
}

export const rowsOf = (tables: TableFigures): number =>
  Object.values(tables).reduce((sum, { rows }) => sum + rows, 0);

// What a restored database holds, before anybody writes to it.
import type { DirectClient } from "@signalbox/db/replication";
import { readTables } from "./tables.ts";

export async function readRestored(client: DirectClient) {
  await client.query("begin isolation level repeatable read read only");
  const tables = await readTables(client);
  const { rows } = await client.query(
    "select greatest((select max(at) from control_events), (select max(created_at) from outbox)) as at",
  );
  await client.query("commit");
  const [row] = rows as { at: string | null }[];
  return { tables, lastCommitAt: row?.at ? new Date(row.at) : undefined };
}

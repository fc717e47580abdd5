// The place in the database's log up to which everything is published, kept by Postgres itself.

import { type DirectClient, parseLsn, type ReplicationClient } from "@signalbox/db/replication";

export type SlotGap = {
  /** Everything committed after this position comes through the slot; everything before is in the snapshot. */
  from: bigint;
  /** Names the state of the tables at that very position; valid until the replication connection does something else. */
  snapshot: string | undefined;
};

export type SlotLag = {
  bytes: number;
  walStatus: string;
  /** Bytes that may still be written before Postgres gives the slot up; undefined: no limit is set. */
  safeBytes: number | undefined;
};

/** One slot a database: names are shared by a whole server. */
export const slotName = (database: string): string =>
  `signalbox_relay_${database.toLowerCase().replace(/[^a-z0-9_]/g, "_")}`.slice(0, 63);

/** Makes sure that the slot is there and usable. Answers the gap that the outbox table must fill, if there is one. */
export async function ensureSlot(
  control: DirectClient,
  replication: ReplicationClient,
  slot: string,
): Promise<SlotGap | undefined> {
  const marker = `slot:${slot}`;
  const found = await control.query(
    "select wal_status, confirmed_flush_lsn from pg_replication_slots where slot_name = $1",
    [slot],
  );
  const state = found.rows[0] as
    | { wal_status: string | null; confirmed_flush_lsn: string | null }
    | undefined;
  if (state && state.wal_status !== "lost") {
    const filled = await control.query("select 1 from relay_progress where stream = $1", [marker]);
    if (filled.rows.length > 0) return undefined;
    // Made by a relay that ended before it had filled the gap.
    return { from: parseLsn(state.confirmed_flush_lsn ?? "0/0"), snapshot: undefined };
  }
  await control.query("delete from relay_progress where stream = $1", [marker]);
  if (state) await control.query("select pg_drop_replication_slot($1)", [slot]);
  const version = await control.query("select current_setting('server_version_num')::int as number");
  const { number } = version.rows[0] as { number: number };
  const failover = number >= 170_000 ? ", FAILOVER true" : "";
  const made = await replication.query(
    `CREATE_REPLICATION_SLOT "${slot}" LOGICAL pgoutput (SNAPSHOT 'export'${failover})`,
  );
  const { consistent_point, snapshot_name } = made.rows[0] as {
    consistent_point: string;
    snapshot_name: string;
  };
  return { from: parseLsn(consistent_point), snapshot: snapshot_name };
}

export async function markGapFilled(control: DirectClient, slot: string, from: bigint): Promise<void> {
  await control.query(
    `insert into relay_progress (stream, last_id) values ($1, $2)
     on conflict (stream) do update set last_id = excluded.last_id, updated_at = now()`,
    [`slot:${slot}`, `${from}-0`],
  );
}

export async function readSlotLag(control: DirectClient, slot: string): Promise<SlotLag | undefined> {
  const { rows } = await control.query(
    `select greatest(pg_current_wal_lsn() - confirmed_flush_lsn, 0)::text as bytes, wal_status, safe_wal_size::text
     from pg_replication_slots where slot_name = $1`,
    [slot],
  );
  const row = rows[0] as
    | { bytes: string | null; wal_status: string; safe_wal_size: string | null }
    | undefined;
  if (!row) return undefined;
  return {
    bytes: Number(row.bytes ?? 0),
    walStatus: row.wal_status,
    safeBytes: row.safe_wal_size === null ? undefined : Number(row.safe_wal_size),
  };
}

/** Ends the server process of a relay that is gone: its lock is ours, its connection just has not been noticed dead. */
export async function freeSlot(control: DirectClient, slot: string): Promise<void> {
  await control.query(
    "select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = $1 and active_pid is not null",
    [slot],
  );
}

// Takes one backup of a running install: copies the server's files while the log is kept beside, then counts every table in a
// snapshot whose position in the log is known, so that a restore can stop exactly there and be compared.
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from "node:fs";
import { join, relative } from "node:path";
import { baseBackup, segmentStart, streamWal, type WalStream } from "@signalbox/db/physical";
import {
  connectDirect,
  connectReplication,
  type DirectClient,
  formatLsn,
  identifySystem,
  parseLsn,
  type ReplicationClient,
} from "@signalbox/db/replication";
import { Fault } from "../fault.ts";
import { type ArchiveWriter, createArchive, format, type Manifest } from "./archive.ts";
import { type Keys, sealKeys } from "./keys.ts";
import { segmentWriter } from "./segments.ts";
import { readTables } from "./tables.ts";
import { padding, tarHeader } from "./tar.ts";

export type Source = {
  databaseUrl: string;
  keys: Keys;
  passphrase: string;
  /** Uploaded files, where they are on this machine's disk. */
  objects?: string;
  version: string;
  commit: string;
};

export type Taken = { path: string; bytes: number; manifest: Manifest };

const extension = ".signalbox";
export const isArchive = (name: string) => name.endsWith(extension) && name.startsWith("backup-");

const patienceMs = 60_000;

export async function takeBackup(
  source: Source,
  folder: string,
  say: (text: string) => void,
): Promise<Taken> {
  if (!source.keys.secret)
    throw new Fault(
      "This install's master key can not be read, and a backup without keys can not be restored.",
      "Run it where the keys are: as the user that owns them.",
    );
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const startedAt = new Date();
  const id = startedAt.toISOString().replace(/[-:]|\.\d+/g, "");
  const path = join(folder, `backup-${id}${extension}`);
  const partial = `${path}.partial`;
  const logFolder = `${path}.log`;
  rmSync(partial, { force: true });
  mkdirSync(logFolder, { recursive: true, mode: 0o700 });
  const open: { end(): Promise<unknown> }[] = [];
  const archive = createArchive(partial);
  try {
    const taken = await fill(source, archive, { id, startedAt, logFolder, open, say });
    renameSync(partial, path);
    return { path, bytes: statSync(path).size, manifest: taken };
  } catch (error) {
    archive.abandon();
    rmSync(partial, { force: true });
    throw asFault(error);
  } finally {
    rmSync(logFolder, { recursive: true, force: true });
    await Promise.all(open.map((client) => client.end().catch(() => {})));
  }
}

type Work = {
  id: string;
  startedAt: Date;
  logFolder: string;
  open: { end(): Promise<unknown> }[];
  say(text: string): void;
};

async function fill(source: Source, archive: ArchiveWriter, work: Work): Promise<Manifest> {
  const { id, startedAt, logFolder, open, say } = work;
  const replication = async () => {
    const client = await connectReplication(source.databaseUrl, "signalbox backup");
    open.push(client);
    return client;
  };
  const [copier, logger, marker] = [await replication(), await replication(), await replication()];
  const sql = await connectDirect(source.databaseUrl, "signalbox backup");
  open.push(sql);
  const facts = await readFacts(sql, copier);

  const slot = `signalbox_backup_${process.pid}_${startedAt.getTime()}`;
  await logger.query(`CREATE_REPLICATION_SLOT "${slot}" TEMPORARY PHYSICAL (RESERVE_WAL true)`);
  const log = segmentWriter(logFolder, { ...facts, full() {} });
  let stream: WalStream | undefined;
  let streaming: Promise<void> | undefined;

  const base = archive.member("base.tar.zst");
  let copied = 0;
  let said = 0;
  const { start, end } = await baseBackup(copier, {
    began(position) {
      const from = { ...position, lsn: segmentStart(position.lsn, facts.segmentBytes) };
      streaming = streamWal(logger, {
        slot,
        from,
        data: log.write,
        flushed: () => log.written,
      }).then((started) => {
        stream = started;
      });
      streaming.catch(() => {});
    },
    data(bytes) {
      copied += bytes.length;
      if (copied - said > 256e6) {
        said = copied;
        say(`${Math.round(copied / 1e6)} MB copied`);
      }
      return base.write(bytes);
    },
    rested: base.rested,
  });
  await base.end();
  await streaming;

  // From here on the copy is whole. A slot tells a position together with the snapshot of just that position.
  const point = await consistentPoint(marker, `${slot}_point`);
  await sql.query("begin isolation level repeatable read read only");
  await sql.query(`set transaction snapshot '${point.snapshot}'`);
  const tables = await readTables(sql);
  const { rows: heads } = await sql.query(
    "select revision, hash from control_events order by revision desc limit 1",
  );
  const [head] = heads as { revision: string; hash: string }[];
  await sql.query("commit");
  const { rows } = await sql.query("select now() as now, pg_create_restore_point('signalbox backup') as lsn");
  const [last] = rows as { now: string; lsn: string }[];
  await untilReached(() => log.written, parseLsn(last!.lsn), stream!);
  await stream!.close();
  log.close();

  await addFolder(archive, "wal.tar.zst", logFolder, (name) => name.replace(/\.partial$/, ""));
  const objects = source.objects ? await addFolder(archive, "objects.tar.zst", source.objects) : 0;
  return archive.finish(
    {
      format,
      id,
      version: source.version,
      commit: source.commit,
      schema: facts.schema,
      schemaHash: facts.schemaHash,
      platform: `${process.platform}-${process.arch}`,
      postgres: {
        major: facts.major,
        systemId: facts.systemId,
        timeline: facts.timeline,
        segmentBytes: facts.segmentBytes,
      },
      start: formatLsn(start.lsn),
      end: formatLsn(end.lsn),
      target: point.lsn,
      startedAt: startedAt.toISOString(),
      takenAt: new Date(last!.now).toISOString(),
      tables,
      controlHead: head ? { revision: Number(head.revision), hash: head.hash } : null,
      objects,
    },
    (digest) => sealKeys(source.keys, source.passphrase, digest),
  );
}

async function readFacts(sql: DirectClient, client: ReplicationClient) {
  const { systemId, timeline } = await identifySystem(client);
  const { rows } = await sql.query(
    `select current_setting('server_version_num')::int / 10000 as major,
            (select setting::int from pg_settings where name = 'wal_segment_size') as segment`,
  );
  const [server] = rows as { major: number; segment: number }[];
  const { rows: migrations } = await sql.query(
    `select count(*)::int as schema, (array_agg(hash order by created_at desc))[1] as hash
     from drizzle.__drizzle_migrations`,
  );
  const [migrated] = migrations as { schema: number; hash: string }[];
  return {
    systemId,
    timeline: Number(timeline),
    major: server!.major,
    segmentBytes: server!.segment,
    schema: migrated!.schema,
    schemaHash: migrated!.hash,
  };
}

async function consistentPoint(
  client: ReplicationClient,
  name: string,
): Promise<{ lsn: string; snapshot: string }> {
  // Waits for the transactions that are under way; they have ends of their own.
  const asked = {
    text: `CREATE_REPLICATION_SLOT "${name}" TEMPORARY LOGICAL pgoutput (SNAPSHOT 'export')`,
    query_timeout: patienceMs * 2,
  };
  const { rows } = await client.query(asked);
  const [row] = rows as { consistent_point: string; snapshot_name: string }[];
  return { lsn: row!.consistent_point, snapshot: row!.snapshot_name };
}

async function untilReached(at: () => bigint, wanted: bigint, stream: WalStream): Promise<void> {
  let failure: Error | undefined;
  void stream.ended.then((error) => {
    failure = error ?? new Error("the log's stream ended early");
  });
  for (const end = Date.now() + patienceMs; at() < wanted; ) {
    if (failure) throw failure;
    if (Date.now() > end) throw new Error("the database's log did not arrive within a minute");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Gives how many files there were. */
async function addFolder(
  archive: ArchiveWriter,
  member: string,
  folder: string,
  rename: (name: string) => string = (name) => name,
): Promise<number> {
  const out = archive.member(member);
  const put = (bytes: Buffer) =>
    out.write(bytes) ? undefined : new Promise<void>((resolve) => out.rested(resolve));
  const files = existsSync(folder)
    ? readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
    : [];
  for (const { parentPath, name } of files) {
    const path = join(parentPath, name);
    const bytes = readFileSync(path);
    const inside = rename(relative(folder, path));
    await put(tarHeader({ name: inside, size: bytes.length, kind: "file" }));
    await put(bytes);
    await put(Buffer.alloc(padding(bytes.length)));
  }
  await put(Buffer.alloc(1024));
  await out.end();
  return files.length;
}

function asFault(error: unknown): unknown {
  const { code } = error as { code?: string };
  if (code === "ENOSPC")
    return new Fault(
      "The disk of the backup folder is full.",
      "Free some space, or choose another: --to DIR",
    );
  if (code === "53400" || code === "53300")
    return new Fault(
      `The database has no room for a backup's connections: ${(error as Error).message}.`,
      "Set max_wal_senders and max_replication_slots to 10 or more, and start it anew.",
    );
  if (code === "42501" || code === "28000")
    return new Fault(
      `The database does not let this user copy it: ${(error as Error).message}.`,
      "Give it the right: ALTER ROLE name REPLICATION; a hosted database has backups of its own.",
    );
  return error;
}

// A gigabyte backed up, restored and compared, and how much of what was written last a restore would miss.

import { mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { openArchive } from "../apps/cli/src/backup/archive.ts";
import { drill } from "../apps/cli/src/backup/drill.ts";
import { openKeys } from "../apps/cli/src/backup/keys.ts";
import { layDatabase } from "../apps/cli/src/backup/lay.ts";
import { keepLog, logFolder } from "../apps/cli/src/backup/log-archive.ts";
import { newRecoveryKey } from "../apps/cli/src/backup/recovery-key.ts";
import { recover } from "../apps/cli/src/backup/server.ts";
import { takeBackup } from "../apps/cli/src/backup/take.ts";
import { engineUser } from "../apps/cli/src/engines/system-user.ts";
import { startOwnPostgres } from "../apps/cli/src/testing/own-postgres.ts";
import { connectDirect } from "../packages/db/src/replication.ts";

const json = process.argv.includes("--json");
const megabytes = Number(process.argv.find((word) => /^\d+$/.test(word)) ?? 1_000);
const scratch = mkdtempSync(join(tmpdir(), "signalbox-bench-backup-"));
const folder = join(scratch, "backups");
const passphrase = newRecoveryKey();
const say = (text: string) => void (json || console.log(`  ${text}`));
const seconds = (since: number) => Math.round((performance.now() - since) / 100) / 10;

type Figure = { name: string; value: number; unit: string; bar: number; better: "lower"; ok: boolean };
const figures: Figure[] = [];
const figure = (name: string, value: number, unit: string, bar: number) =>
  figures.push({ name, value, unit, bar, better: "lower", ok: value <= bar });

const server = await startOwnPostgres();
const sql = await connectDirect(server.url, "signalbox bench");
const stopping = new AbortController();
try {
  await sql.query("create table filler (id bigint primary key, text text)");
  // Text that compresses about as posts do: words over and over, and ids that do not repeat.
  for (let size = 0, next = 0; size < megabytes * 1e6; next += 100_000) {
    await sql.query(
      `insert into filler select n, repeat('a word and another ', 10) || md5(n::text) || md5((n * 7)::text)
       || md5((n * 13)::text) from generate_series($1::bigint, $1::bigint + 99999) n`,
      [next],
    );
    const { rows } = await sql.query("select pg_database_size(current_database()) as size");
    size = Number((rows as { size: string }[])[0]!.size);
    say(`${Math.round(size / 1e6)} MB of data`);
  }
  const source = {
    databaseUrl: server.url,
    keys: { secret: "the master key of this benchmark", postgres_password: server.password },
    passphrase,
    version: "0.2.0",
    commit: "unknown",
  };
  const log = keepLog({
    databaseUrl: server.url,
    folder,
    signal: stopping.signal,
    begins: () => {},
    warn: (text, error) => console.error(text, error),
  });
  while (!log.status.isStreaming) await pause(20);
  const taking = performance.now();
  const { path, bytes } = await takeBackup(source, folder, say);
  figure(`backup of ${megabytes} MB`, seconds(taking), "s", 60);
  say(`${Math.round(bytes / 1e6)} MB in the file`);

  const restoring = performance.now();
  const archive = await openArchive(path);
  const keys = openKeys(archive.sealedKeys, passphrase, archive.manifestDigest);
  const report = await drill(archive, keys);
  if (!report.ok) throw new Error(report.faults.join("; "));
  figure("restore and comparison", seconds(restoring), "s", 120);

  const written: number[] = [];
  for (const end = Date.now() + 5_000; Date.now() < end; ) {
    await sql.query("insert into filler values ($1, 'last')", [-1 - written.length]);
    written.push(Date.now());
  }
  await server.kill();
  const diedAt = Date.now();
  stopping.abort();
  await log.done;
  const target = join(scratch, "latest");
  await layDatabase(archive, target, {
    until: { kind: "latest" },
    log: logFolder(folder),
    owner: engineUser(),
    isScratch: true,
  });
  const { tables } = await recover(target, {
    password: server.password,
    throwaway: true,
    log: join(scratch, "latest.log"),
  });
  const came = tables["public.filler"]!.rows - archive.manifest.tables["public.filler"]!.rows;
  const lost = written.length - came;
  say(`${written.length} writes, ${lost} lost`);
  figure("writes lost when everything dies", lost > 0 ? (diedAt - written[came]!) / 1_000 : 0, "s", 5);
} finally {
  stopping.abort();
  await sql.end().catch(() => {});
  await server.stop();
  rmSync(scratch, { recursive: true, force: true });
}

const ok = figures.every((each) => each.ok);
const machine = `${availableParallelism()} cores, ${cpus()[0]?.model ?? "unknown"}`;
if (json) console.log(JSON.stringify({ name: "backup", machine, figures, ok }));
else
  for (const { name, value, unit, bar, ok: isOk } of figures)
    console.log(`${isOk ? "ok  " : "fail"} ${name.padEnd(34)} ${value} ${unit} (at most ${bar})`);
process.exitCode = ok ? 0 : 1;

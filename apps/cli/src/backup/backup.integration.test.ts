// A backup of a live database comes back whole, to the instant that is asked for, and everything that is wrong with one is refused
// before anything is changed.
import assert from "node:assert/strict";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import postgres from "postgres";
import { engineUser } from "../engines/system-user.ts";
import { type OwnPostgres, startOwnPostgres } from "../testing/own-postgres.ts";
import { withoutKeys } from "../testing/without-keys.ts";
import { openArchive } from "./archive.ts";
import { drill } from "./drill.ts";
import { openKeys } from "./keys.ts";
import { layDatabase, type Until } from "./lay.ts";
import { keepLog, logFolder } from "./log-archive.ts";
import { newRecoveryKey } from "./recovery-key.ts";
import { recover } from "./server.ts";
import { copyWhole, listBackups, removeOld } from "./store.ts";
import { compareTables } from "./tables.ts";
import { type Source, takeBackup } from "./take.ts";

let server: OwnPostgres;
let sql: postgres.Sql;
const scratch = mkdtempSync(join(tmpdir(), "signalbox-backup-"));
const folder = join(scratch, "backups");
const passphrase = newRecoveryKey();
const secret = "the master key of this test, which is long enough";
const source = (): Source => ({
  databaseUrl: server.url,
  keys: { secret, postgres_password: server.password },
  passphrase,
  objects: join(scratch, "objects"),
  version: "0.1.0",
  commit: "unknown",
});
const take = () => takeBackup(source(), folder, () => {});

before(async () => {
  server = await startOwnPostgres();
  sql = postgres(server.url, { max: 4, onnotice: () => {} });
  await sql`create table notes (id bigint generated always as identity primary key, text text, at timestamptz default clock_timestamp())`;
  await sql`insert into notes (text) select repeat(md5(n::text), 20) from generate_series(1, 20000) n`;
  mkdirSync(join(scratch, "objects/a"), { recursive: true });
  writeFileSync(join(scratch, "objects/a/one.bin"), Buffer.alloc(3_000, 7));
});

after(async () => {
  await sql?.end({ timeout: 1 }).catch(() => {});
  await server?.stop();
  rmSync(scratch, { recursive: true, force: true });
});

test("a backup that is taken while others write comes back as it was at one position, row for row", async () => {
  let isOver = false;
  const writing = (async () => {
    while (!isOver) await sql`insert into notes (text) values ('meanwhile')`;
  })();
  const { path, manifest } = await take();
  isOver = true;
  await writing;
  assert.ok(manifest.tables["public.notes"]!.rows >= 20_000);
  assert.equal(manifest.objects, 1);
  const archive = await openArchive(path);
  const keys = openKeys(archive.sealedKeys, passphrase, archive.manifestDigest);
  assert.equal(keys.secret, secret);
  const report = await drill(archive, keys);
  assert.deepEqual(report.faults, []);
  assert.ok(report.rows >= 20_000);
  const notes = manifest.tables["public.notes"]!;
  const other = { ...manifest.tables, "public.notes": { ...notes, hash: "1" }, "public.more": notes };
  assert.deepEqual(compareTables(other, manifest.tables), [
    "public.more is missing",
    "public.notes has other contents",
  ]);
});

test("a byte that is another, wherever it is, is refused", async () => {
  const path = listBackups(folder)[0]?.path ?? (await take()).path;
  const whole = readFileSync(path);
  const flipped = join(scratch, "flipped");
  // Every part of the file, its headers, paddings and end among them; and some anywhere.
  const places = [
    0,
    100,
    124,
    130,
    150,
    300,
    511,
    512,
    600,
    whole.length - 1,
    whole.length - 1_100,
    whole.length - 1_600,
  ];
  for (let at = whole.length - 8_000; at < whole.length; at += 331) places.push(at);
  for (let n = 0; n < 20; n++) places.push(Math.floor(Math.random() * whole.length));
  for (const at of places) {
    const bytes = Buffer.from(whole);
    bytes[at]! ^= 1 << (at % 8);
    writeFileSync(flipped, bytes);
    await assert.rejects(openArchive(flipped), { name: "Fault" }, `byte ${at} of ${whole.length}`);
  }
  for (const length of [0, 511, 512, Math.floor(whole.length / 2), whole.length - 1]) {
    writeFileSync(flipped, whole.subarray(0, length));
    await assert.rejects(openArchive(flipped), { name: "Fault" }, `cut after ${length} bytes`);
  }
});

test("a backup without keys, with another key, or sealed for another one is refused", async () => {
  const { path } = listBackups(folder)[0] ?? (await take());
  const without = join(scratch, "without");
  writeFileSync(without, withoutKeys(readFileSync(path)));
  await assert.rejects(openArchive(without), /holds no keys/);
  const archive = await openArchive(path);
  assert.throws(
    () => openKeys(archive.sealedKeys, newRecoveryKey(), archive.manifestDigest),
    /does not open/,
  );
  assert.throws(() => openKeys(archive.sealedKeys, passphrase, "0".repeat(64)), /does not open/);
  await assert.rejects(
    takeBackup({ ...source(), keys: {} }, folder, () => {}),
    /master key can not be read/,
  );
});

test("a folder that holds something is left as it is", async () => {
  const archive = await openArchive((listBackups(folder)[0] ?? (await take())).path);
  const target = join(scratch, "taken");
  mkdirSync(target);
  writeFileSync(join(target, "mine"), "mine");
  await assert.rejects(
    layDatabase(archive, target, { until: { kind: "backup" }, owner: undefined }),
    /holds something already/,
  );
  assert.equal(readFileSync(join(target, "mine"), "utf8"), "mine");
  assert.ok(!existsSync(join(target, "PG_VERSION")));
});

test("the newest are kept, and a second copy is whole", async () => {
  const place = join(scratch, "kept");
  mkdirSync(place);
  for (const day of ["01", "02", "03"])
    writeFileSync(join(place, `backup-202611${day}T000000Z.signalbox`), day);
  assert.deepEqual(removeOld(place, 2), ["backup-20261101T000000Z.signalbox"]);
  assert.deepEqual(removeOld(place, 0), ["backup-20261102T000000Z.signalbox"]);
  const [left] = listBackups(place);
  assert.equal(left!.takenAt.toISOString(), "2026-11-03T00:00:00.000Z");
  assert.equal(readFileSync(copyWhole(left!.path, join(scratch, "elsewhere")), "utf8"), "03");
});

test("with the log a restore goes to an instant, and loses at most five seconds when everything dies", async () => {
  const place = join(scratch, "with-log");
  const stopping = new AbortController();
  const begun: string[] = [];
  const log = keepLog({
    databaseUrl: server.url,
    folder: place,
    signal: stopping.signal,
    begins: () => void begun.push("begins"),
    warn: () => {},
  });
  await until(() => log.status.isStreaming);
  assert.deepEqual(begun, ["begins"]);
  const { path } = await takeBackup(source(), place, () => {});
  const write = async (text: string) => {
    const [row] = await sql<{ at: Date }[]>`insert into notes (text) values (${text}) returning at`;
    return row!.at;
  };
  await write("first");
  // Files end on the way, so that full ones and an open one are read.
  await sql`select pg_switch_wal()`;
  const between = await write("between");
  await pause(1_100);
  const second = await write("second");
  await sql`select pg_switch_wal()`;
  const last: Date[] = [];
  for (const end = Date.now() + 3_000; Date.now() < end; ) last.push(await write("last"));
  await server.kill();
  const diedAt = Date.now();
  stopping.abort();
  await log.done;

  const archive = await openArchive(path);
  const comeBack = async (name: string, until: Until) => {
    const target = join(scratch, name);
    await layDatabase(archive, target, {
      until,
      log: logFolder(place),
      owner: engineUser(),
      isScratch: true,
    });
    const restored = await recover(target, {
      password: server.password,
      throwaway: true,
      log: join(scratch, `${name}.log`),
    });
    rmSync(target, { recursive: true, force: true });
    return restored.tables["public.notes"]!.rows;
  };
  const [base] = [archive.manifest.tables["public.notes"]!.rows];
  const instant = new Date((between.getTime() + second.getTime()) / 2);
  assert.equal(await comeBack("instant", { kind: "instant", at: instant }), base + 2);
  const rows = await comeBack("latest", { kind: "latest" });
  const lost = base + 3 + last.length - rows;
  const oldestLost = lost > 0 ? last[last.length - lost]!.getTime() : diedAt;
  assert.ok(
    diedAt - oldestLost <= 5_000,
    `${lost} writes were lost, the oldest ${diedAt - oldestLost} ms old`,
  );

  // A file of the log that is damaged is named, and nothing half restored is taken for whole.
  const damaged = join(scratch, "damaged");
  mkdirSync(damaged);
  const full = (await import("node:fs"))
    .readdirSync(logFolder(place))
    .filter((name) => name.endsWith(".zst"));
  for (const name of full) copyFileSync(join(logFolder(place), name), join(damaged, name));
  const bytes = readFileSync(join(damaged, full.at(-1)!));
  bytes[Math.floor(bytes.length / 2)]! ^= 4;
  writeFileSync(join(damaged, full.at(-1)!), bytes);
  await assert.rejects(
    layDatabase(archive, join(scratch, "never"), {
      until: { kind: "latest" },
      log: damaged,
      owner: undefined,
    }),
    /is damaged/,
  );
});

async function until(holds: () => boolean): Promise<void> {
  for (const end = Date.now() + 30_000; !holds(); await pause(20))
    if (Date.now() > end) throw new Error("it did not happen within 30 s");
}

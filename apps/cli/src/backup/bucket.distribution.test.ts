// Backups in a bucket of a real S3 server: taken there, listed, kept few, brought back with the log, and refused in words.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { freePort } from "@signalbox/core/testing/free-port";
import postgres from "postgres";
import { root } from "../repository.ts";
import { eventually, freePortBase } from "../testing/harness.ts";
import { startInstallForTest, type TestInstall } from "../testing/install.ts";
import { startObjects } from "../testing/objects.ts";
import { openBucket } from "./bucket.ts";
import { shipLog } from "./ship-log.ts";

const folder = mkdtempSync(join(tmpdir(), "signalbox-bucket-"));
let objects: Awaited<ReturnType<typeof startObjects>>;
let install: TestInstall;
const access = () => ({
  S3_ENDPOINT: objects.endpoint,
  S3_ACCESS_KEY_ID: objects.accessKeyId,
  S3_SECRET_ACCESS_KEY_FILE: join(folder, "secret"),
});
const at = (address: string, more = {}) => openBucket(address, { ...objects, region: "us-east-1", ...more });

before(
  async () => {
    objects = await startObjects();
    writeFileSync(access().S3_SECRET_ACCESS_KEY_FILE, `${objects.secretAccessKey}\n`);
    install = await startInstallForTest({ portBase: await freePortBase(), env: access() });
  },
  { timeout: 15 * 60_000 },
);
after(async () => {
  await install?.stop();
  objects?.stop();
  rmSync(folder, { recursive: true, force: true });
});

test("what is put comes back byte for byte, in parts too, and is listed below its prefix alone", async () => {
  const bucket = at("s3://first/a place/of its own");
  await bucket.make();
  await bucket.make();
  const names = ["small", "empty", "below/it's (odd) & ünïque+name=1"];
  for (const name of names) await bucket.put(name, Buffer.from(name === "empty" ? "" : name));
  const large = join(folder, "large");
  const bytes = Buffer.alloc(40 * 1024 * 1024 + 1, "not the same in every place, ");
  writeFileSync(large, bytes);
  await bucket.putFile("large", large);
  await at("s3://first").put("elsewhere", Buffer.from("x"));
  const listed = Object.fromEntries((await bucket.list()).map((each) => [each.name, each.bytes]));
  assert.equal(listed.large, bytes.length);
  assert.equal(Object.keys(listed).length, 4);
  await bucket.getFile("large", join(folder, "back"));
  assert.ok(readFileSync(join(folder, "back")).equals(bytes));
  await bucket.getFile(names[2]!, join(folder, "odd"));
  assert.equal(readFileSync(join(folder, "odd"), "utf8"), names[2]);
  await bucket.remove("large");
  assert.ok(!(await bucket.list()).some(({ name }) => name === "large"));
});

test("another key, no such bucket and a server that is away are said in words", async () => {
  const put = (bucket: ReturnType<typeof at>) => bucket.put("x", Buffer.from("x"));
  await assert.rejects(put(at("s3://first", { secretAccessKey: "another" })), /SignatureDoesNotMatch/);
  await assert.rejects(put(at("s3://first", { accessKeyId: "nobody" })), /InvalidAccessKeyId|UserNotFound/);
  await assert.rejects(put(at("s3://never-made")), /NoSuchBucket/);
  const away = `http://127.0.0.1:${await freePort()}`;
  await assert.rejects(put(at("s3://first", { endpoint: away })), /ECONNREFUSED/);
});

test("more names than a list holds at once are all listed", async () => {
  const bucket = at("s3://many");
  await bucket.make();
  for (let done = 0; done < 1_050; done += 50)
    await Promise.all(
      Array.from({ length: 50 }, (_, each) => bucket.put(`wal/${done + each}`, Buffer.from("x"))),
    );
  assert.equal(new Set((await bucket.list("wal/")).map(({ name }) => name)).size, 1_050);
});

test("an install is backed up to a bucket, few are kept, and comes back from there on another machine", async () => {
  const place = "s3://backups/laptop";
  const sql = postgres(install.runFile().postgres, { max: 1, onnotice: () => {} });
  await sql`create table public.notes as select 'kept' as text`;
  for (let turn = 0; turn < 3; turn += 1) {
    const said = await install.signalbox("backup", "--to", place, "--keep", "2");
    assert.match(said, /✓ s3:\/\/backups\/laptop\/backup-/);
  }
  assert.equal((await install.signalbox("backup", "--list", "--to", place)).trim().split("\n").length, 2);
  assert.match(await install.signalbox("backup", "--list"), /There is no backup/, "nothing of it stays here");
  assert.match(await install.signalbox("backup", "--copy", "s3://backups/second"), /a second copy in s3:/);
  assert.match(
    await install.signalbox("restore", "--drill", "s3://backups/second"),
    /as they were taken; keys open/,
  );
  await sql.end();

  const other = join(folder, "another-machine");
  const key = join(install.dataDir, "secrets/recovery-key");
  const words = ["restore", place, "--passphrase-file", key, "--data-dir", other];
  const { stdout: restored } = await promisify(execFile)(join(root, "signalbox"), words, {
    env: { ...process.env, ...access() },
  });
  assert.match(restored, /rows in \d+ tables and \d+ files, as they were taken/);
  await assert.rejects(
    install.signalbox("restore", "s3://backups/nothing", "--drill"),
    /There is no backup in/,
  );
});

test("the log goes there as it is written, the open file under its later name, and what was away comes after", async () => {
  const log = join(folder, "wal");
  mkdirSync(log);
  const names = ["000000010000000000000001", "000000010000000000000002"] as const;
  writeFileSync(join(log, `${names[0]}.zst`), "full");
  writeFileSync(join(log, `${names[1]}.partial`), "begun");
  const failures: unknown[] = [];
  const bucket = at("s3://log/site");
  const stopping = new AbortController();
  objects.hold();
  const shipping = shipLog(log, bucket, stopping.signal, (error) => failures.push(error), 100);
  objects.goOn();
  const sizes = async () =>
    Object.fromEntries((await bucket.list("wal/").catch(() => [])).map((each) => [each.name, each.bytes]));
  await eventually(async () => Object.keys(await sizes()).length === 2, "both are there", 60_000);
  const open = (await sizes())[`wal/${names[1]}.zst`];
  writeFileSync(join(log, `${names[1]}.zst`), "full, and longer than it was when it was begun");
  rmSync(join(log, `${names[1]}.partial`));
  await eventually(async () => (await sizes())[`wal/${names[1]}.zst`] === 46, `another than ${open}`, 60_000);
  stopping.abort();
  await shipping;
  assert.deepEqual(failures, []);
});

// The profile `objects`: the S3 server starts as hardened as the rest, takes backups and the log by themselves, and an install whose
// volumes are gone comes back from there as it was last.
import assert from "node:assert/strict";
import { appendFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { platformVersion } from "../repository.ts";
import { type ComposeSite, makeComposeSite } from "../testing/compose-site.ts";
import { eventually } from "../testing/harness.ts";

const place = "s3://backups/site";
let site: ComposeSite;
let token = "";

before(
  async () => {
    site = await makeComposeSite([platformVersion()], { objects: true });
    appendFileSync(join(site.folder, ".env"), `COMPOSE_PROFILES=objects\nSIGNALBOX_BACKUP_S3=${place}\n`);
    await site.must("up");
  },
  { timeout: 30 * 60_000 },
);
after(() => site?.remove());

const listed = async () =>
  (await site.compose("run", "--rm", "--no-deps", "-T", "cli", "backup", "--list", "--to", place)).text;
/** When the newest file of the log came there, in seconds. */
const shippedAt = async () => {
  const script = "stat -c %Y /objects/backups/site/wal/* | sort | tail -n 1";
  return Number((await site.must("exec", "-T", "objects", "sh", "-c", script)).trim());
};
const write = async (text: string) => {
  const { status, body } = await site.ask("/v1/posts", { text }, token);
  assert.equal(status, 201);
  return body.id!;
};

test("the S3 server runs as an ordinary user on a root it can not write, and answers no other key", async () => {
  const id = (await site.must("ps", "--quiet", "objects")).trim();
  const format =
    "{{.Config.User}} {{.HostConfig.ReadonlyRootfs}} {{.HostConfig.CapDrop}} {{.State.Health.Status}}";
  assert.equal(await site.docker("inspect", "--format", format, id), "10001:10001 true [ALL] healthy");
  const other = ["-e", "S3_SECRET_ACCESS_KEY=another-secret-than-it-has", "-e", "S3_SECRET_ACCESS_KEY_FILE="];
  const words = ["run", "--rm", "--no-deps", "-T", ...other, "cli", "backup", "--list", "--to", place];
  const { code, text } = await site.compose(...words);
  assert.equal(code, 1, "a seeded fault: another key");
  assert.match(text, /SignatureDoesNotMatch/);
});

test("everything is lost but the bucket and the recovery key, and comes back as it was last", async () => {
  token = await site.register("bucketeer");
  const early = await write("before the backup");
  await eventually(async () => /backup-\d/.test(await listed()), "a backup is in the bucket", 180_000);
  const late = await write("after the backup");
  // On this machine's disk within a second, and from there twice a minute.
  const writtenAt = Date.now() / 1_000 + 3;
  await eventually(async () => (await shippedAt()) > writtenAt, "the log is in the bucket", 180_000);
  await site.must("down", "--timeout", "20");
  for (const name of ["postgres", "valkey", "data", "backups", "copy"])
    await site.docker("volume", "rm", `${site.project}_${name}`);
  await site.must("up", "--no-deps", "objects");
  assert.match(await site.must("restore", place, "--latest"), /rows in \d+ tables/);
  await site.must("up");
  for (const [id, text] of [
    [early, "before the backup"],
    [late, "after the backup"],
  ] as const)
    assert.equal((await site.ask(`/v1/posts/${id}`, undefined, token)).body.text, text);
});

// The chart's CronJob takes real backups: its pod as it is rendered, against a real Postgres.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { openArchive } from "../backup/archive.ts";
import { openBucket } from "../backup/bucket.ts";
import { openKeys } from "../backup/keys.ts";
import { newRecoveryKey } from "../backup/recovery-key.ts";
import { backupsIn } from "../backup/second-copy.ts";
import { listBackups } from "../backup/store.ts";
import { startObjects } from "../testing/objects.ts";
import { type OwnPostgres, startOwnPostgres } from "../testing/own-postgres.ts";
import { podsOf } from "./lints.ts";
import { type Secrets, startPod } from "./pod-stand-in.ts";
import { profiles, render } from "./render.ts";
import { helm } from "./rendered-chart.ts";

const folder = mkdtempSync(join(tmpdir(), "signalbox-cron-"));
const recoveryKey = newRecoveryKey();
let own: OwnPostgres;

before(
  async () => {
    own = await startOwnPostgres();
  },
  { timeout: 5 * 60_000 },
);
after(async () => {
  await own?.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function run(secrets: Secrets, more: object = {}, config: Record<string, string> = {}) {
  const url = new URL(own.url);
  url.password = "";
  const manifests = await render(helm, {
    values: [profiles.laptop!],
    set: {
      "database.host": "",
      "database.url": url.href,
      "database.password.existingSecret": "database",
      "redis.host": "redis.invalid",
      "secrets.master.existingSecret": "own",
      "secrets.operatorToken.existingSecret": "own",
      backup: { enabled: true, keep: 2, recoveryKey: { existingSecret: "recovery" }, ...more },
      config,
    },
  });
  const owner = podsOf(manifests).find(({ manifest }) => manifest.kind === "CronJob")!;
  return startPod(owner, { folder, address: "127.0.0.1", secrets, names: {} });
}
const secrets = (): Secrets => ({
  database: { password: own.password },
  own: { secret: "a master secret of a test, long enough", "operator-token": "sbo_a-token-long-enough" },
  recovery: { "recovery-key": recoveryKey },
});

test("each run leaves one whole backup that the recovery key opens, and the newest are kept", async () => {
  for (let turn = 1; turn <= 3; turn += 1) {
    const pod = await run(secrets());
    assert.equal(await pod.exited, 0, pod.output());
    assert.equal(listBackups(join(folder, "backups")).length, Math.min(turn, 2));
  }
  const archive = await openArchive(listBackups(join(folder, "backups"))[0]!.path);
  const keys = openKeys(archive.sealedKeys, recoveryKey, archive.manifestDigest);
  assert.equal(keys.secret, secrets().own!.secret);
  assert.ok(archive.manifest.tables["public.users"]);
});

test("without the recovery key's Secret no pod starts, and with another one the backup opens with that alone", async () => {
  const { recovery: _, ...others } = secrets();
  await assert.rejects(run(others), /the pod would wait for it/);
  const pod = await run({ ...others, recovery: { "recovery-key": newRecoveryKey() } });
  assert.equal(await pod.exited, 0, pod.output());
  const archive = await openArchive(listBackups(join(folder, "backups"))[0]!.path);
  assert.throws(() => openKeys(archive.sealedKeys, recoveryKey, archive.manifestDigest), /does not open/);
});

test("a second copy goes to a bucket, with the key of a Secret", async () => {
  const objects = await startObjects();
  try {
    const more = { copy: "s3://backups/cluster", s3SecretKey: { existingSecret: "bucket" } };
    const config = { S3_ENDPOINT: objects.endpoint, S3_ACCESS_KEY_ID: objects.accessKeyId };
    const pod = await run(
      { ...secrets(), bucket: { "s3-secret-key": objects.secretAccessKey } },
      more,
      config,
    );
    assert.equal(await pod.exited, 0, pod.output());
    const stored = await backupsIn(openBucket("s3://backups/cluster", { ...objects, region: "us-east-1" }));
    assert.deepEqual(
      stored.map(({ name }) => name),
      [listBackups(join(folder, "backups"))[0]!.name],
    );
    const locked = await run({ ...secrets(), bucket: { "s3-secret-key": "another" } }, more, config);
    assert.equal(await locked.exited, 1, "a seeded fault");
    assert.match(locked.output(), /SignatureDoesNotMatch/);
  } finally {
    objects.stop();
  }
});

// An install of the release before comes to this one and back while callers keep coming; its backups are proved, refused where they
// are not whole, and bring everything back, data of before the upgrade included.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { after, before, type TestContext, test } from "node:test";
import { readReleases } from "../releases.ts";
import { platformVersion } from "../repository.ts";
import { type ComposeSite, makeComposeSite } from "../testing/compose-site.ts";
import { withoutKeys } from "../testing/without-keys.ts";
import { startLoad } from "./load.ts";

const now = platformVersion();
const before_ = readReleases().at(-2)!.version;
let site: ComposeSite;
let token = "";
let refreshToken = "";
let post = "";
let later = "";

before(
  async () => {
    site = await makeComposeSite([before_, now]);
    site.pin(before_);
  },
  { timeout: 30 * 60_000 },
);
after(() => site?.remove());

const textOf = async (id: string) => (await site.ask(`/v1/posts/${id}`, undefined, token)).body.text;
const imageOf = (name: string) =>
  site.docker("ps", "--filter", `name=${site.project}-${name}-`, "--format", "{{.Image}}");
const automatic = () =>
  (JSON.parse(readFileSync(join(site.folder, "upgrade.json"), "utf8")) as { backup: string }).backup;

/** Containers that said meanwhile that they are not well. */
function watchHealth(): () => Promise<string> {
  const filter = [
    "--filter",
    "event=health_status",
    "--filter",
    `label=com.docker.compose.project=${site.project}`,
  ];
  const format = "{{.Status}} {{.Actor.Attributes.name}}";
  const watching = spawn("docker", ["events", ...filter, "--format", format], { env: site.env });
  let said = "";
  watching.stdout.setEncoding("utf8").on("data", (text: string) => (said += text));
  return async () => {
    watching.kill();
    return said;
  };
}

test("the release before comes up, and people use it", async () => {
  await site.must("up");
  token = await site.register("ann_dist");
  const posted = await site.ask("/v1/posts", { text: "before the upgrade" }, token);
  assert.equal(posted.status, 201);
  post = posted.body.id!;
  const session = await site.ask("/v1/auth/login", {
    login: "ann_dist",
    password: "a long password of ann_dist",
  });
  refreshToken = session.body.refreshToken!;
  assert.ok(refreshToken, JSON.stringify(session.body));
});

test("the upgrade loses no request, no data and no session, and the version before is well while the schema grows", async (context: TestContext) => {
  const health = watchHealth();
  const load = startLoad(site.origin);
  const text = await site.must("upgrade");
  const { good, bad } = await load.stop();
  const said = await health();
  context.diagnostic(`${before_} to ${now}: ${good} requests, ${bad.length} lost`);
  await site.requireNoneLost({ good, bad }, text);
  assert.ok(good > 100, `only ${good} requests`);
  assert.match(said, /health_status: healthy \S*gateway/, "its words are heard");
  assert.doesNotMatch(said, /unhealthy/);
  assert.equal(await textOf(post), "before the upgrade");
  const renewed = await site.ask("/v1/auth/refresh", { refreshToken });
  assert.equal(renewed.status, 200, JSON.stringify(renewed.body));
  token = renewed.body.accessToken!;
  for (const name of ["api", "operator", "workers", "relay", "gateway"])
    assert.equal(await imageOf(name), `signalbox/server:${now}`, name);
  assert.match(await site.must("run", "--rm", "-T", "cli", "audit", "verify"), /\d/);
  later = (await site.ask("/v1/posts", { text: "after the upgrade" }, token)).body.id!;
  assert.equal(await textOf(later), "after the upgrade");
});

test("a second upgrade says that there is nothing to do", async () => {
  assert.match(await site.must("upgrade"), /nothing was changed/);
});

test("a backup is taken, proved, and refused with one byte changed, without its keys or with another key", async () => {
  const copies = join(site.folder, "copies");
  await site.must("backup", "--to", copies);
  const [name] = readdirSync(copies);
  const path = join(copies, name!);
  assert.match(await site.must("restore", "--drill"), /as they were taken; keys open/);

  const bytes = readFileSync(path);
  bytes[Math.floor(bytes.length / 3)]! ^= 1;
  const flipped = join(site.folder, "backup-19990101T000000Z.signalbox");
  writeFileSync(flipped, bytes);
  const damaged = await site.compose("restore", "--drill", flipped);
  assert.equal(damaged.code, 1);
  assert.match(damaged.text, /is damaged/);

  const keyless = join(site.folder, "backup-19990102T000000Z.signalbox");
  writeFileSync(keyless, withoutKeys(readFileSync(path)));
  const bare = await site.compose("restore", "--drill", keyless);
  assert.equal(bare.code, 1);
  assert.match(bare.text, /holds no keys/);

  writeFileSync(join(site.folder, "other-key"), "another recovery key altogether");
  const locked = await site.compose(
    "restore",
    "--drill",
    "--passphrase-file",
    join(site.folder, "other-key"),
    path,
  );
  assert.match(locked.text, /does not open the keys/);
  assert.match(
    (await site.compose("restore", path)).text,
    /The install runs; a restore goes to an empty one/,
  );
});

test("the rollback loses no request and no data", async (context: TestContext) => {
  const load = startLoad(site.origin);
  const text = await site.must("rollback");
  const { good, bad } = await load.stop();
  context.diagnostic(`${now} back to ${before_}: ${good} requests, ${bad.length} lost`);
  await site.requireNoneLost({ good, bad }, text);
  assert.equal(await imageOf("gateway"), `signalbox/server:${before_}`);
  assert.equal(await textOf(post), "before the upgrade");
  assert.equal(await textOf(later), "after the upgrade");
});

test("everything is destroyed, and comes back as it was before the upgrade, from the automatic backup and the recovery key", async () => {
  const name = automatic();
  await site.must("backup", name, "--to", site.folder);
  cpSync(join(site.folder, "secrets/recovery_key"), join(site.folder, "kept-apart"));
  await site.must("down", "--volumes", "--timeout", "5");
  rmSync(join(site.folder, "secrets"), { recursive: true });
  const path = join(site.folder, basename(name));
  await site.must("restore", path, "--passphrase-file", join(site.folder, "kept-apart"));
  await site.must("up");
  assert.equal(await imageOf("gateway"), `signalbox/server:${before_}`);
  assert.equal(await textOf(post), "before the upgrade");
  assert.equal((await site.ask(`/v1/posts/${later}`, undefined, token)).status, 404);
});

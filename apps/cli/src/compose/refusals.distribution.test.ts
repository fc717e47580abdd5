// What is refused before anything is touched. The sums of every file of every volume are the same after each refusal, and so are the
// containers; the seeded fault at the end shows that the sums see a single byte.
import assert from "node:assert/strict";
import { chmodSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { readReleases } from "../releases.ts";
import { platformVersion } from "../repository.ts";
import { type ComposeSite, makeComposeSite, type Outcome } from "../testing/compose-site.ts";
import { eventually } from "../testing/harness.ts";

let site: ComposeSite;
let token = "";

before(
  async () => {
    site = await makeComposeSite([platformVersion()]);
    await site.must("up");
    token = await site.register("refused");
  },
  { timeout: 30 * 60_000 },
);
after(() => site?.remove());

const sum = `
const { createHash } = require("node:crypto"), fs = require("node:fs"), path = require("node:path");
for (const volume of fs.readdirSync("/volumes").sort()) {
  const sum = createHash("sha256"), root = path.join("/volumes", volume);
  for (const name of ["", ...fs.readdirSync(root, { recursive: true }).sort()]) {
    const at = path.join(root, name), { mode, uid, size } = fs.lstatSync(at);
    sum.update([name, mode, uid, size].join(" "));
    if (fs.lstatSync(at).isFile()) sum.update(fs.readFileSync(at));
  }
  console.log(volume, sum.digest("hex"));
}`;

// But the one that is made too small here: in memory, and made anew each time that it is mounted.
const volumes = async () =>
  (await site.docker("volume", "ls", "-q", "--filter", `name=${site.project}_`))
    .split("\n")
    .filter((name) => !name.endsWith("_small"))
    .sort();

/** Of what there is: volumes with every byte, and containers with what they do. */
async function state() {
  const mounts = (await volumes()).flatMap((name) => ["-v", `${name}:/volumes/${name}:ro`]);
  const image = `signalbox/server:${platformVersion()}`;
  const digest = await site.docker("run", "--rm", "--user", "0:0", ...mounts, image, "-e", sum);
  const containers = await site.docker(
    ...[
      "ps",
      "-a",
      "--no-trunc",
      "--filter",
      `name=${site.project}-`,
      "--format",
      "{{.ID}} {{.Image}} {{.State}}",
    ],
  );
  return { digest, containers };
}

/** What is asked of each refusal from now on: its words, and that all is as it was. */
async function watch() {
  const was = await state();
  return async (act: () => Promise<Outcome>, words: RegExp): Promise<void> => {
    const { code, text } = await act();
    assert.equal(code, 1, text);
    assert.match(text, words);
    assert.doesNotMatch(text, /\n\s+at /, "no stack");
    assert.deepEqual(await state(), was, String(words));
  };
}

async function withEnv(more: NodeJS.ProcessEnv, act: () => Promise<Outcome>): Promise<Outcome> {
  const was = { ...site.env };
  Object.assign(site.env, more);
  try {
    return await act();
  } finally {
    for (const name of Object.keys(more)) delete site.env[name];
    Object.assign(site.env, was);
  }
}

/** A Docker of which one answer is another: a machine as some have it. */
function dockerThatSays(asked: string, answer: string): NodeJS.ProcessEnv {
  const folder = join(site.folder, "other-docker");
  mkdirSync(folder, { recursive: true });
  const path = join(folder, "docker");
  writeFileSync(
    path,
    `#!/bin/sh\ncase "$*" in *'${asked}'*) ${answer} ;; esac\nPATH=\${PATH#*:}\nexec docker "$@"\n`,
  );
  chmodSync(path, 0o755);
  return { PATH: `${folder}:${site.env.PATH}` };
}

const up = () => site.compose("up");
const upgrade = () => site.compose("upgrade");

/** Docker Compose as it is, without a look before. */
const plain = (...words: string[]) =>
  site.docker("compose", "--project-directory", site.folder, "--progress", "quiet", ...words);

/** While the api runs under another tag, and everything is held still so that no file changes by itself. */
async function whileApiIs(tag: string, act: (refused: Awaited<ReturnType<typeof watch>>) => Promise<void>) {
  const image = `signalbox/server:${tag}`;
  const had = await site.run("docker", ["image", "inspect", "--format", "{{.Id}}", image]);
  await site.docker("tag", `signalbox/server:${platformVersion()}`, image);
  try {
    site.pin(tag);
    await plain("up", "--detach", "--wait", "--no-deps", "api");
    site.pin(platformVersion());
    const ids = (await site.docker("ps", "-q", "--filter", `name=${site.project}-`)).split("\n");
    await site.docker("pause", ...ids);
    try {
      await act(await watch());
    } finally {
      await site.docker("unpause", ...ids);
      // Who was held still could not answer how he is.
      const format = "{{.State.Health.Status}}";
      const ask = () => site.docker("inspect", "--format", format, ...ids);
      await eventually(async () => /^(healthy\n?)+$/.test(await ask()), "all are healthy again", 120_000);
    }
  } finally {
    site.pin(platformVersion());
    await plain("up", "--detach", "--wait");
    if (had.code === 0) await site.docker("tag", had.text.trim(), image);
    else await site.docker("rmi", image);
  }
}

test("of an upgrade: a version that nobody knows", () =>
  whileApiIs("0.0.1", async (refused) => {
    await refused(upgrade, /Version 0\.0\.1 is not one that this Signalbox knows/);
    await refused(() => site.compose("upgrade", "--check"), /is not one that this Signalbox knows/);
  }));

test("of an upgrade: images that are missing, another Postgres, no room for the backup", async () => {
  const small = join(site.folder, "small.yaml");
  writeFileSync(
    small,
    `services:
  cli:
    volumes: ["data:/data", "small:/backups", "copy:/copy"]
volumes:
  small:
    driver_opts: { type: tmpfs, device: tmpfs, o: "size=1m,uid=10001" }
`,
  );
  const files = { COMPOSE_FILE: `${join(site.folder, "compose.yaml")}:${small}` };
  const given = (more: NodeJS.ProcessEnv) => () => withEnv(more, upgrade);
  const another = "postgres:16-bookworm";
  await withEnv(files, () => site.compose("run", "--rm", "--no-deps", "-T", "cli", "--help"));
  await whileApiIs(readReleases().at(-2)!.version, async (refused) => {
    await refused(given({ SIGNALBOX_CONSOLE_IMAGE: "signalbox/nowhere" }), /no image signalbox\/nowhere/);
    await refused(given({ SIGNALBOX_POSTGRES_IMAGE: "postgres:0" }), /no image postgres:0/);
    await site.docker("tag", "postgres:18-bookworm", another);
    await refused(
      given({ SIGNALBOX_POSTGRES_IMAGE: another }),
      /volume was made by Postgres 18, and the image postgres:16-bookworm is Postgres 16/,
    );
    await site.docker("rmi", another);
    await refused(given(files), /MB free, and the backup before the upgrade may need/);
  });
  rmSync(small);
});

test("of a start: secrets, ports, memory, disk, Docker and Compose that will not do", async () => {
  await site.must("stop");
  const refused = await watch();
  const secret = (name: string) => join(site.folder, "secrets", name);
  const spoilt = async (name: string, text: string, words: RegExp) => {
    const real = readFileSync(secret(name), "utf8");
    chmodSync(secret(name), 0o644);
    writeFileSync(secret(name), text);
    await refused(up, words);
    writeFileSync(secret(name), real);
  };
  for (const text of [
    "changeme",
    "change-me-please",
    "password",
    "postgres",
    "<your password>",
    "$".concat("{PASSWORD}"),
    "xxxxxxxx",
  ])
    await spoilt("operator_token", text, /operator_token holds a placeholder/);
  await spoilt("redis_password", "", /redis_password is empty/);
  await spoilt("secret", "short", /is shorter than 16/);

  for (const name of ["secret", "postgres_password"]) {
    renameSync(secret(name), `${secret(name)}.away`);
    await refused(up, new RegExp(`${name} is gone, but the database that was made with it is there`));
    renameSync(`${secret(name)}.away`, secret(name));
  }

  const holder = createServer().listen(Number(site.env.SIGNALBOX_GATEWAY_PORT), "127.0.0.1");
  await refused(up, /which edge is to have, is taken by/);
  await new Promise((resolve) => holder.close(resolve));

  const given = (asked: string, answer: string) => () => withEnv(dockerThatSays(asked, answer), up);
  await refused(given("compose version", "echo 2.23.3; exit"), /Compose 2\.23\.3 is too old/);
  await refused(given("compose version", "exit 1"), /has no Compose/);
  await refused(
    given("info --format {{.MemTotal}}", "echo 1000000000; exit"),
    /Docker has 1,000 MB of memory/,
  );
  await refused(() => withEnv({ DOCKER_HOST: "unix:///nowhere.sock" }, up), /No Docker engine answers/);
  await refused(
    given("version --format {{.Server.Version}}", "echo 19.03.1; exit"),
    /Docker 19\.03\.1 is too old/,
  );
  await refused(() => withEnv({ SIGNALBOX_TAG: "9.9.9" }, up), /There is no image signalbox\/server:9\.9\.9/);
  await site.docker("tag", "postgres:18-bookworm", "postgres:16-bookworm");
  await refused(
    () => withEnv({ SIGNALBOX_POSTGRES_IMAGE: "postgres:16-bookworm" }, up),
    /volume was made by Postgres 18/,
  );
  await site.docker("rmi", "postgres:16-bookworm");
});

test("a changed password of the database is said, nothing restarts for ever, and the old one brings everything back", async () => {
  const path = join(site.folder, "secrets/postgres_password");
  const real = readFileSync(path, "utf8");
  chmodSync(path, 0o644);
  writeFileSync(path, "another-password-than-it-was-made-with");
  const { code, text } = await up();
  assert.equal(code, 1);
  assert.match(text, /The database was made with another password than the one in/);
  const restarting = await site.docker(
    "ps",
    "-q",
    "--filter",
    "status=restarting",
    "--filter",
    `name=${site.project}-`,
  );
  assert.equal(restarting, "");
  writeFileSync(path, real);
  await site.must("up");
  assert.equal((await site.ask("/v1/posts", { text: "still here" }, token)).status, 201);
});

test("one byte that is another is seen by the sums that the refusals are held to", async () => {
  await site.must("stop");
  const was = await state();
  assert.deepEqual(await state(), was);
  const [name] = (await volumes()).filter((each) => each.endsWith("_backups"));
  const image = `signalbox/server:${platformVersion()}`;
  const script = "require('fs').writeFileSync('/backups/planted', 'x')";
  await site.docker("run", "--rm", "-v", `${name}:/backups`, image, "-e", script);
  assert.notEqual((await state()).digest, was.digest);
});

// A Compose install from the release before to this one, and back: fresh, hardened, upgraded and rolled back while callers keep coming,
// backed up, drilled, destroyed and restored. Needs the images; see machine.ts.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { chmodSync, cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { freePort } from "@signalbox/core/testing/free-port";
import { readReleases } from "../releases.ts";
import { platformVersion, root } from "../repository.ts";
import { startLoad } from "./load.ts";
import { prepareMachine } from "./machine.ts";

const site = mkdtempSync(join(tmpdir(), "signalbox-site-"));
const project = `signalbox-dist-${process.pid}`;
const before_ = readReleases().at(-2)!.version;
let env: NodeJS.ProcessEnv;
let origin = "";

type Outcome = { code: number; text: string };
function run(file: string, args: string[]): Promise<Outcome> {
  return new Promise((resolve) =>
    execFile(file, args, { cwd: root, env, maxBuffer: 1 << 24 }, (error, stdout, stderr) =>
      resolve({ code: error ? Number(error.code ?? 1) : 0, text: stdout + stderr }),
    ),
  );
}
const compose = (...words: string[]) => run(join(root, "signalbox"), ["compose", ...words]);
async function must(...words: string[]): Promise<string> {
  const { code, text } = await compose(...words);
  assert.equal(code, 0, `compose ${words.join(" ")}: ${text.slice(-2_000)}`);
  return text;
}
const ask = async (path: string, body?: unknown, token?: string) => {
  const answer = await fetch(`${origin}${path}`, {
    method: body === undefined ? "GET" : "POST",
    headers: {
      ...(body !== undefined && { "content-type": "application/json" }),
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  return { status: answer.status, body: (await answer.json()) as Record<string, string> };
};

before(async () => {
  env = { ...process.env, ...(await prepareMachine([before_, platformVersion()])), SIGNALBOX_SITE: site };
  cpSync(join(root, "compose"), site, {
    recursive: true,
    filter: (path) => !/compose\/(\.env|secrets|upgrade\.json)/.test(path),
  });
  const [gateway, console_] = [await freePort(), await freePort()];
  origin = `http://127.0.0.1:${gateway}`;
  env = {
    ...env,
    COMPOSE_PROJECT_NAME: project,
    SIGNALBOX_GATEWAY_PORT: String(gateway),
    SIGNALBOX_CONSOLE_PORT: String(console_),
    SIGNALBOX_PUBLIC_URL: origin,
  };
  await must("init");
  writeFileSync(join(site, ".env"), `SIGNALBOX_TAG=${before_}\n`, { flag: "a" });
});

after(async () => {
  await compose("down", "--volumes", "--timeout", "5");
  rmSync(site, { recursive: true, force: true });
});

let token = "";
let post = "";

test("secrets are made once; a placeholder is refused before anything starts", async () => {
  const read = () =>
    readdirSync(join(site, "secrets")).map((name) => readFileSync(join(site, "secrets", name), "utf8"));
  const first = read();
  await must("init");
  assert.deepEqual(read(), first);
  const path = join(site, "secrets/operator_token");
  chmodSync(path, 0o644);
  const real = readFileSync(path, "utf8");
  writeFileSync(path, "changeme");
  const { code, text } = await compose("up");
  assert.equal(code, 1);
  assert.match(text, /holds a placeholder/);
  writeFileSync(path, real);
  assert.equal((await run("docker", ["ps", "-aq", "--filter", `name=${project}`])).text.trim(), "");
});

test("the release before comes up, and people use it", async () => {
  await must("up");
  const person = { handle: "ann_dist", email: "ann@example.com", password: "a long password of ann" };
  const registered = await ask("/v1/auth/register", person);
  assert.equal(registered.status, 201, JSON.stringify(registered.body));
  token = registered.body.accessToken!;
  const posted = await ask("/v1/posts", { text: "before the upgrade" }, token);
  assert.equal(posted.status, 201);
  post = posted.body.id!;
});

test("every container runs as an ordinary user, on a root it can not write, and only the edge is published", async () => {
  const { text } = await run("docker", ["ps", "-q", "--filter", `name=${project}`]);
  for (const id of text.trim().split("\n")) {
    const [found] = JSON.parse((await run("docker", ["inspect", id])).text) as Inspected[];
    const { Name, Config, HostConfig } = found!;
    assert.match(Config.User, /^[1-9]\d*:[1-9]\d*$/, Name);
    assert.equal(HostConfig.ReadonlyRootfs, true, Name);
    assert.deepEqual(HostConfig.CapDrop, ["ALL"], Name);
    assert.ok(HostConfig.SecurityOpt.includes("no-new-privileges:true"), Name);
    assert.ok(HostConfig.Memory > 0 && HostConfig.PidsLimit > 0, Name);
    const isPublished = Object.keys(HostConfig.PortBindings ?? {}).length > 0;
    assert.equal(isPublished, Name.includes("-edge-"), Name);
  }
});

type Inspected = {
  Name: string;
  Config: { User: string };
  HostConfig: {
    ReadonlyRootfs: boolean;
    CapDrop: string[];
    SecurityOpt: string[];
    Memory: number;
    PidsLimit: number;
    PortBindings?: Record<string, unknown>;
  };
};

test("a jump that is not allowed is refused, and nothing is touched", async () => {
  const ids = async () => (await run("docker", ["ps", "-q", "--filter", `name=${project}`])).text;
  const running = await ids();
  const odd = "postgres:17-bookworm";
  const { code, text } = await (async () => {
    env = { ...env, SIGNALBOX_POSTGRES_IMAGE: odd };
    await run("docker", ["tag", "postgres:18-bookworm", odd]);
    const outcome = await compose("upgrade", "--check");
    const { SIGNALBOX_POSTGRES_IMAGE: _, ...rest } = env;
    env = rest;
    await run("docker", ["rmi", odd]);
    return outcome;
  })();
  assert.equal(code, 1);
  assert.match(text, /volume was made by Postgres 18/);
  assert.equal(await ids(), running);
});

test("the upgrade loses no request, no data and no session", async () => {
  const load = startLoad(origin);
  const text = await must("upgrade");
  const { good, bad } = await load.stop();
  assert.deepEqual(bad, [], `of ${good}\n${text}`);
  assert.ok(good > 100, `only ${good} requests`);
  assert.equal((await ask(`/v1/posts/${post}`, undefined, token)).body.text, "before the upgrade");
  assert.match(
    (await run("docker", ["ps", "--format", "{{.Image}} {{.Names}}"])).text,
    new RegExp(`server:${platformVersion()} ${project}-gateway`),
  );
});

test("a backup is taken, proved, and refused with one byte changed or without its key", async () => {
  await must("backup", "--to", join(site, "copies"));
  const [name] = readdirSync(join(site, "copies"));
  assert.match(await must("restore", "--drill"), /as they were taken; keys open/);
  const path = join(site, "copies", name!);
  const bytes = readFileSync(path);
  bytes[Math.floor(bytes.length / 3)]! ^= 1;
  const flipped = join(site, "backup-19990101T000000Z.signalbox");
  writeFileSync(flipped, bytes);
  const damaged = await compose("restore", "--drill", flipped);
  assert.equal(damaged.code, 1);
  assert.match(damaged.text, /is damaged/);
  writeFileSync(join(site, "other-key"), "another recovery key altogether");
  const locked = await compose("restore", "--drill", "--passphrase-file", join(site, "other-key"), path);
  assert.match(locked.text, /does not open the keys/);
  assert.match((await compose("restore", path)).text, /The install runs; a restore goes to an empty one/);
});

test("the rollback loses no request and no data", async () => {
  const load = startLoad(origin);
  const text = await must("rollback");
  const { good, bad } = await load.stop();
  assert.deepEqual(bad, [], `of ${good}\n${text}`);
  assert.equal((await ask(`/v1/posts/${post}`, undefined, token)).body.text, "before the upgrade");
});

test("everything is destroyed, and comes back from the file and the recovery key", async () => {
  const [name] = readdirSync(join(site, "copies"));
  cpSync(join(site, "secrets/recovery_key"), join(site, "kept-apart"));
  await must("down", "--volumes", "--timeout", "5");
  rmSync(join(site, "secrets"), { recursive: true });
  await must("restore", join(site, "copies", name!), "--passphrase-file", join(site, "kept-apart"));
  writeFileSync(join(site, ".env"), "", { flag: "w" });
  await must("up");
  assert.equal((await ask(`/v1/posts/${post}`, undefined, token)).body.text, "before the upgrade");
});

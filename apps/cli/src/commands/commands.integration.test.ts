// The command as a person meets it: every fault is one line with its mend and exit code 1, never a stack.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { portsFrom } from "../ports.ts";
import { root } from "../repository.ts";
import { type Ended, freePortBase, main, scratchFolder, signalbox } from "../testing/harness.ts";

const asRoot = process.getuid?.() === 0;
const nobody = asRoot ? { uid: 65_534, gid: 65_534 } : {};

function oneLine({ code, err }: Ended, expected: RegExp) {
  assert.match(err, expected);
  assert.equal(err.trim().split("\n").length, 1, err);
  assert.doesNotMatch(err, /\n\s+at /);
  assert.equal(code, 1);
}

test("an unknown command, option, stage or service names the nearest", async (context) => {
  oneLine(await signalbox(["dwon"]), /Unknown command "dwon"\. Did you mean "down"\?/);
  oneLine(
    await signalbox(["up", "--detatch"]),
    /Unknown option --detatch for "up"\. Did you mean --detach\?/,
  );
  oneLine(await signalbox(["test", "units"]), /Unknown test stage "units"\. Did you mean "unit"\?/);
  oneLine(
    await signalbox(["up", "--port-base", "many"]),
    /--port-base must be a whole number from 0 to 5\d{4}/,
  );
  oneLine(await signalbox(["up", "--data-dir"]), /Option --data-dir needs a value/);
  oneLine(await signalbox(["logs", "--data-dir", scratchFolder(context)]), /There are no logs/);
});

test("a taken port is named with its holder, and nothing is started", async (context) => {
  const folder = scratchFolder(context);
  const base = await freePortBase();
  const { gateway } = portsFrom(base);
  const holder = createServer().listen(gateway, "127.0.0.1");
  context.after(() => holder.close());
  const words = ["up", "--detach", "--no-console", "--data-dir", folder, "--port-base", String(base)];
  const taken = await signalbox(words);
  oneLine(taken, new RegExp(`Port ${gateway} \\(gateway\\) is taken by .*node.* \\(pid ${process.pid}\\)`));
  assert.ok(!existsSync(join(folder, "postgres")));
});

test("a wrong password in DATABASE_URL is one line", async (context) => {
  const url = new URL(process.env.TEST_DATABASE_URL!);
  url.password = "wrong";
  const words = ["up", "--detach", "--no-console", "--data-dir", scratchFolder(context)];
  const ended = await signalbox([...words, "--port-base", String(await freePortBase())], {
    env: { DATABASE_URL: url.href },
  });
  oneLine(
    ended,
    /refused user "signalbox": wrong password or no such user\. Correct the user and password in DATABASE_URL/,
  );
});

test("a wrong REDIS_URL and a database that is not there are one line each", async (context) => {
  const words = ["up", "--detach", "--no-console", "--data-dir", scratchFolder(context)];
  const base = ["--port-base", String(await freePortBase())];
  const noRedis = await signalbox([...words, ...base], { env: { REDIS_URL: "redis://127.0.0.1:1" } });
  oneLine(noRedis, /Nothing answers at 127\.0\.0\.1:1\. Start that Redis, or correct REDIS_URL/);
  const url = new URL(process.env.TEST_DATABASE_URL!);
  url.pathname = "/not_there";
  const noDatabase = await signalbox([...words, ...base], { env: { DATABASE_URL: url.href } });
  oneLine(noDatabase, /has no such database\. Create it there, or correct DATABASE_URL/);
});

test("a data folder that cannot be written is one line", async (context) => {
  const parent = scratchFolder(context);
  const folder = join(parent, "locked");
  mkdirSync(folder);
  chmodSync(parent, 0o755);
  chmodSync(folder, 0o555);
  const ended = await signalbox(["up", "--detach", "--data-dir", join(folder, "data")], nobody);
  oneLine(ended, /The data folder .* cannot be written: no permission\. .*--data-dir DIR/);
  writeFileSync(join(parent, "file"), "");
  oneLine(
    await signalbox(["up", "--data-dir", join(parent, "file")]),
    /cannot be written: a file stands in its place/,
  );
});

test("without Redis and without root, the line says exactly what to install", async () => {
  const folder = mkdtempSync("/tmp/signalbox-cli-");
  if (asRoot) chmodSync(folder, 0o777);
  const words = ["up", "--detach", "--no-console", "--data-dir", join(folder, "data")];
  const ended = await signalbox([...words, "--port-base", String(await freePortBase())], {
    env: { PATH: "" },
    ...nobody,
  });
  rmSync(folder, { recursive: true, force: true });
  oneLine(
    ended,
    /Neither redis-server nor valkey-server is on the PATH\. (Type: (sudo apt-get install -y|brew install) redis|Install)/,
  );
});

test("doctor names what it finds", async (context) => {
  const folder = scratchFolder(context);
  const base = await freePortBase();
  const words = ["doctor", "--data-dir", folder, "--port-base", String(base)];
  assert.equal((await signalbox(words)).code, 0);
  const holder = createServer().listen(portsFrom(base).console, "127.0.0.1");
  context.after(() => holder.close());
  const { code, out } = await signalbox(words, { env: { REDIS_URL: "redis://127.0.0.1:1" } });
  assert.equal(code, 1);
  assert.match(out, /fail ports +\d+ \(console\) is taken by .*\(pid \d+\)/);
  assert.match(out, /fail Redis +Nothing answers at 127\.0\.0\.1:1/);
});

// The command is started by a shell whose output is a pipe: the pipe closes only when nobody holds it any more.
test("up --detach holds none of the caller's streams, and a second one joins", {
  timeout: 120_000,
}, async (context) => {
  const folder = scratchFolder(context);
  const words = `up --detach --no-console --data-dir ${folder} --port-base ${await freePortBase()}`;
  const shell = (line: string) =>
    new Promise<Ended>((resolve) => {
      const child = spawn("sh", ["-c", line], { cwd: root });
      let [out, err] = ["", ""];
      child.stdout.on("data", (chunk) => (out += chunk));
      child.stderr.on("data", (chunk) => (err += chunk));
      child.once("close", (code) => resolve({ code, out, err }));
    });
  const first = await shell(
    `out=$("${process.execPath}" "${main}" ${words}) || exit 1; printf '%s' "$out" | cat`,
  );
  assert.equal(first.code, 0, first.err);
  assert.match(first.out, /API +http:\/\/127\.0\.0\.1:\d+/);
  const second = await shell(`"${process.execPath}" "${main}" ${words} 2>&1 | cat`);
  assert.match(second.out, /runs already in/);
  assert.equal((await signalbox(["status", "--data-dir", folder])).code, 0);
  const down = await signalbox(["down", "--data-dir", folder]);
  assert.match(down.out, /Stopped the install/);
});

// The wrapper at the repository's root, in a checkout of two files with an npm that only pretends.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { root } from "./repository.ts";
import type { Ended } from "./testing/harness.ts";

const npm = `#!/bin/sh
echo ran >>"$PRETENCE/runs"
sleep 0.5
if [ -f "$PRETENCE/fail" ]; then
  echo "npm warn noise"; echo "npm error code E404"; echo "npm error 404 left-pad is gone"; exit 1
fi
mkdir -p node_modules
cp package-lock.json node_modules/.package-lock.json
`;

function checkout(context: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), "signalbox-wrapper-"));
  context.after(() => rmSync(folder, { recursive: true, force: true }));
  for (const path of ["bin", "apps/cli/install", "apps/cli/src"])
    mkdirSync(join(folder, path), { recursive: true });
  for (const path of ["signalbox", "apps/cli/install/is-current.cjs"])
    copyFileSync(join(root, path), join(folder, path));
  lock(folder, "1.0.0");
  writeFileSync(join(folder, "apps/cli/src/main.ts"), 'console.log("ran", ...process.argv.slice(2));');
  writeFileSync(join(folder, "bin/npm"), npm);
  chmodSync(join(folder, "bin/npm"), 0o755);
  symlinkSync(process.execPath, join(folder, "bin/node"));
  return folder;
}

const lock = (folder: string, version: string) =>
  writeFileSync(
    join(folder, "package-lock.json"),
    JSON.stringify({ packages: { "": {}, "node_modules/a": { version } } }),
  );

function wrapper(folder: string, path = `${join(folder, "bin")}:/usr/bin:/bin`): Promise<Ended> {
  return new Promise((resolve) => {
    const child = spawn("/bin/sh", [join(folder, "signalbox"), "up", "two words"], {
      env: { PATH: path, PRETENCE: folder },
    });
    let [out, err] = ["", ""];
    child.stdout.on("data", (chunk) => (out += chunk));
    child.stderr.on("data", (chunk) => (err += chunk));
    child.once("close", (code) => resolve({ code, out, err }));
  });
}

const installs = (folder: string) =>
  existsSync(join(folder, "runs")) ? readFileSync(join(folder, "runs"), "utf8").trim().split("\n").length : 0;

test("two at once install once, say so on standard error, and both run; afterwards nothing is installed", async (context) => {
  const folder = checkout(context);
  const both = await Promise.all([wrapper(folder), wrapper(folder)]);
  for (const { code, out } of both) assert.deepEqual({ code, out }, { code: 0, out: "ran up two words\n" });
  assert.match(both.map(({ err }) => err).join(""), /Installing the locked dependencies/);
  assert.equal(installs(folder), 1);
  const again = await wrapper(folder);
  assert.deepEqual(again, { code: 0, out: "ran up two words\n", err: "" });
  lock(folder, "2.0.0");
  await wrapper(folder);
  assert.equal(installs(folder), 2);
});

test("what was installed by hand is kept, and a lock left by a killed install is passed", async (context) => {
  const folder = checkout(context);
  mkdirSync(join(folder, "node_modules/a"), { recursive: true });
  copyFileSync(join(folder, "package-lock.json"), join(folder, "node_modules/.package-lock.json"));
  assert.equal((await wrapper(folder)).code, 0);
  assert.equal(installs(folder), 0);

  lock(folder, "2.0.0");
  mkdirSync(join(folder, ".signalbox-installing"));
  writeFileSync(join(folder, ".signalbox-installing/pid"), "999999999\n");
  assert.equal((await wrapper(folder)).code, 0);
  assert.equal(installs(folder), 1);
  assert.ok(!existsSync(join(folder, ".signalbox-installing")));
});

test("an install that fails shows npm's reason and the mend, and the next run tries again", async (context) => {
  const folder = checkout(context);
  writeFileSync(join(folder, "fail"), "");
  const { code, out, err } = await wrapper(folder);
  assert.deepEqual({ code, out }, { code: 1, out: "" });
  assert.match(
    err,
    /404 left-pad is gone\nsignalbox: The dependencies could not be installed \(npm ci, exit 1\)/,
  );
  assert.doesNotMatch(err, /noise|E404/);
  rmSync(join(folder, "fail"));
  assert.equal((await wrapper(folder)).code, 0);
});

test("without Node.js one line says what to install", async (context) => {
  const folder = checkout(context);
  rmSync(join(folder, "bin/node"));
  const tools = join(folder, "tools");
  mkdirSync(tools);
  for (const name of ["dirname", "cksum", "uname", "cat"]) symlinkSync(`/usr/bin/${name}`, join(tools, name));
  const { code, err } = await wrapper(folder, tools);
  assert.equal(code, 1);
  assert.equal(err, "signalbox: Node.js is not installed. Install Node.js 20 or later: https://nodejs.org\n");
});

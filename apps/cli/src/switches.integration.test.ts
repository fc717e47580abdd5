// The switch while what it stands on is gone: a whole install, Redis and Postgres stopped one by one and together, and the command
// that still works when nobody answers any more.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { eventually, freePortBase, signalbox } from "./testing/harness.ts";
import { startInstallForTest, type TestInstall } from "./testing/install.ts";

let install: TestInstall;
const scratch = mkdtempSync(join(tmpdir(), "signalbox-switches-"));
const stopped = new Set<number>();
before(async () => {
  install = await startInstallForTest({ portBase: await freePortBase() });
});
after(async () => {
  resume();
  await install?.stop();
  rmSync(scratch, { recursive: true, force: true });
});

/** A process and everything it has forked: connections stay open, and nothing answers. */
function halt(name: string): void {
  const pid = install.pid(name);
  const children = spawnSync("ps", ["-o", "pid=", "--ppid", String(pid)], { encoding: "utf8" }).stdout;
  for (const each of [
    pid,
    ...children
      .split("\n")
      .filter((line) => line.trim())
      .map(Number),
  ]) {
    process.kill(each, "SIGSTOP");
    stopped.add(each);
  }
}

function resume(): void {
  for (const pid of stopped) process.kill(pid, "SIGCONT");
  stopped.clear();
}

/** What a caller reads of a switch that is off; undefined: it is on, whatever else may be wrong. */
async function said(path: string): Promise<string | undefined> {
  const answer = await fetch(install.runFile().api + path, { signal: AbortSignal.timeout(10_000) });
  const body = (await answer.json()) as { code: string; detail: string };
  return body.code === "disabled" ? body.detail : undefined;
}
const post = "/v1/posts/01900000-0000-7000-8000-000000000001";
const person = "/v1/users/nobody_here";

async function set(key: string, state: "on" | "off", message = "") {
  const answer = await fetch(`${install.runFile().operator}/operator/v1/switches/${key}`, {
    method: "PUT",
    headers: { authorization: `Bearer ${install.operatorToken}`, "content-type": "application/json" },
    body: JSON.stringify({ state, message, reason: "a test" }),
  });
  assert.equal(answer.status, 200, await answer.clone().text());
  return (await answer.json()) as {
    version: number;
    logged?: boolean;
    confirmations: { expected: number | null };
  };
}

const off = (key: string, message: string, ...more: string[]) =>
  install.signalbox("switch", "off", key, "--message", message, "--reason", "a test", ...more);

test("with Redis gone, with Postgres gone, with both, and from the command line alone; afterwards the log has it all", async () => {
  // In its first seconds an install does not know yet how many processes it has.
  await eventually(
    async () => /confirmed by (\d) of \1,/.test(await off("feed.post.read", "all is well")),
    "all of them confirm",
  );
  assert.equal(await said(post), "all is well");

  halt("redis");
  await set("feed.post.read", "off", "without Redis");
  await eventually(async () => (await said(post)) === "without Redis", "it is in force without Redis");
  resume();

  halt("postgres");
  const without = await set("feed.post.read", "off", "without Postgres");
  assert.equal(without.logged, false);
  await eventually(async () => (await said(post)) === "without Postgres", "it is in force without Postgres");

  halt("redis");
  const alone = await set("users", "off", "without both");
  assert.deepEqual([alone.logged, alone.confirmations.expected], [false, null]);
  assert.equal(await said(person), "without both");

  // Nobody asks anything that is gone for this one.
  assert.match(await off("feed.post.read", "by hand", "--local"), /override\.json/);
  await eventually(async () => (await said(post)) === "by hand", "the override file is in force");
  await install.signalbox("switch", "clear", "feed.post.read");
  await eventually(async () => (await said(post)) === "without Postgres", "it is over");
  resume();

  const audit = async () => (await install.signalbox("audit", "verify")).trim();
  await eventually(async () => {
    const { items } = JSON.parse(await install.signalbox("switch", "list", "--off", "--json")) as {
      items: { key: string; message: string; revision: number }[];
    };
    const known = Object.fromEntries(items.map(({ key, message }) => [key, message]));
    return known.users === "without both" && known["feed.post.read"] === "without Postgres";
  }, "the log has what was done");
  assert.match(await audit(), /unbroken/);
  assert.equal((await set("users", "on")).logged, undefined);
  assert.match(await install.signalbox("switch", "on", "feed.post.read"), /confirmed by/);
  assert.equal(await said(post), undefined);
});

test("an act is taken back; the settings go to files and come back from them", async () => {
  const { version } = await set("feed", "off", "a mistake");
  assert.match(await install.signalbox("switch", "revert", String(version)), /is taken back/);
  assert.equal(await said(post), undefined);

  await set("feed", "off", "kept");
  const folder = join(scratch, "settings");
  assert.match(await install.signalbox("switch", "export", folder), /files in/);
  assert.match(await install.signalbox("switch", "import", folder, "--dry-run"), /as the files say already/);
  const file = join(folder, "switches", "feed.json");
  writeFileSync(file, readFileSync(file, "utf8").replace("kept", "from git"));
  assert.match(
    await install.signalbox("switch", "import", folder, "--dry-run"),
    /switch feed\n *1 would change/,
  );
  await install.signalbox("switch", "import", folder);
  assert.equal(await said(post), "from git");
  await set("feed", "on");
});

test("when nobody answers, off still works, and on says what takes it back", async () => {
  await assert.rejects(install.signalbox("switch", "on", "feed", "--for", "soon"), /--for must be a time/);
  // An install that nobody started: no run.json, and so no operator API.
  const elsewhere = mkdtempSync(join(scratch, "elsewhere-"));
  const turned = await signalbox(["switch", "off", "feed", "--message", "closed", "--data-dir", elsewhere]);
  assert.equal(turned.code, 0, turned.err);
  assert.match(turned.err, /this machine's override file/);
  const written = JSON.parse(readFileSync(join(elsewhere, "control", "override.json"), "utf8"));
  assert.equal(written.switches.feed.message, "closed");
  const on = await signalbox(["switch", "on", "feed", "--data-dir", elsewhere]);
  assert.equal(on.code, 1);
  assert.match(on.err, /switch clear feed/);
});

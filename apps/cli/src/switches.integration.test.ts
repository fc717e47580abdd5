// The switch while what it stands on is gone: a whole install, Redis and Postgres stopped one by one and together, and the command
// that still works when nobody answers any more.

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { familyOf } from "./testing/family.ts";
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
  for (const each of familyOf(install.pid(name))) {
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

  // What needs the database is refused in time, and what is known without it is shown.
  const look = async (path: string) => {
    const answer = await fetch(`${install.runFile().operator}/operator/v1/${path}`, {
      headers: { authorization: `Bearer ${install.operatorToken}`, "x-request-timeout": "4s" },
      signal: AbortSignal.timeout(15_000),
    });
    const body = (await answer.json()) as {
      code?: string;
      partial?: boolean;
      items?: { revision: number }[];
    };
    return { path, status: answer.status, ...body };
  };
  const [audit, canaries, ...refused] = await Promise.all(
    ["audit", "canaries", "users", "deadletters", "switches/feed.post.read/history"].map(look),
  );
  for (const { path, status, code } of refused) assert.deepEqual([status, code], [503, "unavailable"], path);
  assert.deepEqual([audit?.partial, audit?.items?.[0]?.revision], [true, without.version]);
  assert.deepEqual([canaries?.status, canaries?.partial], [200, true]);

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

  const verify = async () => (await install.signalbox("audit", "verify")).trim();
  await eventually(async () => {
    const { items } = JSON.parse(await install.signalbox("switch", "list", "--off", "--json")) as {
      items: { key: string; message: string; revision: number }[];
    };
    const known = Object.fromEntries(items.map(({ key, message }) => [key, message]));
    return known.users === "without both" && known["feed.post.read"] === "without Postgres";
  }, "the log has what was done");
  assert.match(await verify(), /unbroken/);
  assert.equal((await set("users", "on")).logged, undefined);
  assert.match(await install.signalbox("switch", "on", "feed.post.read"), /confirmed by/);
  assert.equal(await said(post), undefined);
});

async function ask<T>(path: string): Promise<T> {
  const answer = await fetch(`${install.runFile().operator}/operator/v1/${path}`, {
    headers: { authorization: `Bearer ${install.operatorToken}` },
  });
  assert.equal(answer.status, 200, await answer.clone().text());
  return (await answer.json()) as T;
}

type Queue = { key: string; switchKey: string; state: string; depth: number; delayed: number | null };
const queue = async (key: string) => {
  const { items } = await ask<{ items: Queue[] }>("queues");
  const found = items.find((item) => item.key === key);
  assert.ok(found, key);
  return found;
};

async function call(method: string, path: string, body?: object, token?: string) {
  const answer = await fetch(install.runFile().api + path, {
    method,
    headers: {
      "content-type": "application/json",
      ...(token ? { authorization: `Bearer ${token}` } : {}),
    },
    ...(body ? { body: JSON.stringify(body) } : {}),
  });
  return { status: answer.status, body: (await answer.json()) as { accessToken: string; code: string } };
}

test("a queue, a consumer and a part that processes ask are switched off by name: what they have to do waits, and goes on", async () => {
  const mails = async () =>
    (await ask<{ items: { to: string }[] }>("mailbox")).items.filter(({ to }) => to.startsWith("held_"));
  const register = (handle: string) =>
    call("POST", "/v1/auth/register", {
      ...{ handle, email: `${handle}@example.test`, password: "a phrase of this test" },
    });

  await set("auth.mail.send", "off");
  await set("consumers.feed", "off");
  // The workers look at their queues a few times a second.
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  const { body } = await register("held_ann");
  await eventually(async () => {
    const { depth, delayed, state } = await queue("auth.mail.send");
    return state === "off" && depth + (delayed ?? 0) > 0;
  }, "the mail waits");
  const posted = await call("POST", "/v1/posts", { text: "held" }, body.accessToken);
  assert.equal(posted.status, 201);
  await eventually(async () => (await queue("feed")).depth > 0, "the events wait");
  assert.deepEqual(await mails(), []);

  // Whoever takes over holds to it as well.
  process.kill(install.pid("workers"), "SIGKILL");
  await eventually(async () => {
    const { items } = await ask<{ items: { name: string }[] }>("services");
    return items.some(({ name }) => name === "workers");
  }, "the workers are back");
  await register("held_bob");
  await new Promise((resolve) => setTimeout(resolve, 2_000));
  assert.deepEqual(await mails(), []);
  assert.ok((await queue("feed")).depth > 0);
  assert.equal((await queue("feed")).switchKey, "consumers.feed");

  await set("consumers.feed", "on");
  await eventually(async () => (await queue("feed")).depth === 0, "the events are handled");
  await set("auth.mail.send", "on");
  await eventually(async () => (await mails()).length === 2, "both mails are sent, once");

  // The database is refused to callers, and not to the operator who turns it on again.
  await set("dependencies.postgres", "off");
  const refused = await call("GET", "/v1/users/asked_of_nobody_yet");
  assert.deepEqual([refused.status, refused.body.code], [503, "unavailable"]);
  await set("dependencies.postgres", "on");
  assert.equal((await call("GET", "/v1/me", undefined, body.accessToken)).status, 200);
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

// What an operator types at a running install: dead letters and the audit, against real workers.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { appendFileSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { gunzipSync } from "node:zlib";
import { newId } from "@signalbox/core/ids";
import { connectDatabase } from "@signalbox/db";
import { requireWhole } from "../testing/doctor-checks.ts";
import { eventually, freePortBase } from "../testing/harness.ts";
import { startInstallForTest, type TestInstall } from "../testing/install.ts";
import { layAside } from "../testing/lay-aside.ts";
import { createPeople } from "../testing/people.ts";

let portBase: number;
let install: TestInstall;
let database: ReturnType<typeof connectDatabase>;
before(async () => {
  portBase = await freePortBase();
  install = await startInstallForTest({ portBase });
  database = connectDatabase(install.runFile().postgres, { name: "test", poolSize: 2 });
});
after(async () => {
  await database.close();
  await install.stop();
});

const failing = (...args: string[]) =>
  install.signalbox(...args).then(
    (out) => assert.fail(`it went well: ${out}`),
    (error: { code: number; stdout: string; stderr: string }) => error,
  );

test("doctor looks at the same things as in Compose and in a cluster, and all are well", async () => {
  // Who has just started is heard of within seconds.
  let said = "";
  const isWell = async () => {
    said = await install.signalbox("doctor", "--install").catch(({ stdout }) => String(stdout));
    return !/^fail/m.test(said);
  };
  await eventually(isWell, "nothing fails").catch(() => {});
  requireWhole(said);
});

test("a dead letter is listed, run again by the workers, and gone; another is given up", async () => {
  assert.match(await install.signalbox("deadletters", "list"), /no dead letters/);
  const id = await layAside(database.sql, newId(), "boom");
  const given = await layAside(database.sql, newId(), "never again");
  const list = await install.signalbox("deadletters", "list");
  assert.match(list, /user\.updated[\s\S]*boom[\s\S]*8 attempts; 0 events/);
  assert.match(
    (await failing("deadletters", "replay")).stderr,
    /needs the id of a letter, a queue, or --all/,
  );
  assert.match(await install.signalbox("deadletters", "replay", id), /1 asked to run again/);
  for (let tries = 0; ; tries++) {
    const { items } = JSON.parse(await install.signalbox("deadletters", "list", "--json"));
    if (items.every((letter: { id: string }) => letter.id !== id)) break;
    assert.ok(tries < 40, "the workers did not take it up");
    await pause(250);
  }
  assert.match(await install.signalbox("deadletters", "discard", given), /given up/);
  assert.match(await install.signalbox("deadletters", "list"), /no dead letters/);
  assert.match((await failing("deadletters", "discard", given)).stderr, /there is no dead letter/);
});

test("the audit is unbroken until somebody edits a row, and then names it", async () => {
  assert.match(await install.signalbox("audit", "verify"), /acts, unbroken/);
  await database.sql`update control_events set reason = 'nothing happened' where revision = 1`;
  const { code, stdout } = await failing("audit", "verify");
  assert.equal(code, 1);
  assert.match(stdout, /the act 1: /);
});

test("a damaged read model is found and healed while it is in use", async () => {
  const people = createPeople(install.runFile().api);
  const [ann, bob] = [await people.register("rb"), await people.register("rb")];
  const post = await people.call("POST", "/v1/posts", ann.token, { text: "like me" });
  assert.equal(post.status, 201);
  await people.call("PUT", `/v1/posts/${post.body.id}/like`, bob.token);
  const likes = async () =>
    (await people.call("GET", `/v1/posts/${post.body.id}`, ann.token)).body.counts.likes;
  assert.equal(await likes(), 1);
  assert.match(await install.signalbox("rebuild"), /timelines[\s\S]*counters/);
  assert.match(await install.signalbox("rebuild", "counters", "--verify"), /all as the truth has it/);
  await database.sql`update post_counts set likes = 40 where post_id = ${post.body.id}`;
  const wrong = await failing("rebuild", "counters", "--verify");
  assert.equal(wrong.code, 1);
  assert.match(wrong.stdout, /1 wrong/);
  assert.match(await install.signalbox("rebuild", "counters"), /1 healed/);
  assert.equal(await likes(), 1);
  assert.match(await install.signalbox("rebuild", "timelines"), /✓ timelines/);
  assert.match((await failing("rebuild", "nothing")).stderr, /there is no read model nothing; there are:/);
});

test("who is erased is in no table, no key of Redis, no log and no other file of the data folder", async () => {
  const people = createPeople(install.runFile().api);
  const [gone, stays] = [await people.register("er"), await people.register("er")];
  const password = "a long enough phrase";
  const login = { login: gone.handle, password };
  const ok = async (status: number, answer: ReturnType<typeof people.call>) => {
    const { status: is, body } = await answer;
    assert.equal(is, status, JSON.stringify(body));
    return body;
  };
  const { id } = await ok(200, people.call("GET", "/v1/me", gone.token));
  const post = async (token: string, text: string) =>
    (await ok(201, people.call("POST", "/v1/posts", token, { text }))).id as string;
  const own = await post(gone.token, `to @${stays.handle}`);
  const other = await post(stays.token, `asks @${gone.handle}`);
  for (const [token, handle, target] of [
    [gone.token, stays.handle, other],
    [stays.token, gone.handle, own],
  ] as const) {
    await ok(204, people.call("PUT", `/v1/users/${handle}/follow`, token));
    await ok(204, people.call("PUT", `/v1/posts/${target}/like`, token));
    await ok(201, people.call("POST", "/v1/posts", token, { text: "an answer", replyTo: target }));
    await ok(200, people.call("GET", "/v1/feed", token));
  }
  // What is refused is written down as well: a wrong password, a session whose token came back, a body that is wrong.
  await ok(401, people.call("POST", "/v1/auth/login", undefined, { ...login, password: "not the phrase" }));
  const { refreshToken } = await ok(200, people.call("POST", "/v1/auth/login", undefined, login));
  const second = await ok(200, people.call("POST", "/v1/auth/refresh", undefined, { refreshToken }));
  await ok(200, people.call("POST", "/v1/auth/refresh", undefined, { refreshToken: second.refreshToken }));
  await ok(401, people.call("POST", "/v1/auth/refresh", undefined, { refreshToken }));
  await ok(422, people.call("PATCH", "/v1/me", stays.token, { handle: `${gone.handle}!` }));

  assert.match(await install.signalbox("erase", gone.handle, "--yes"), /nothing: \d+ columns and keys/);
  // The engines' own files hold what their tables and keys held until they write them anew; those were searched above.
  const files = readdirSync(install.dataDir, { recursive: true, encoding: "utf8" }).filter(
    (name) => !/^(postgres|redis|cache)\//.test(name) && statSync(join(install.dataDir, name)).isFile(),
  );
  assert.ok(files.includes(join("logs", "api.log")) && files.includes(join("logs", "postgres.log")));
  const found = files.filter((name) => {
    const text = readFileSync(join(install.dataDir, name), "latin1").toLowerCase();
    return [id, id.replaceAll("-", ""), gone.handle].some((trace) => text.includes(trace));
  });
  assert.deepEqual(found, []);
});

test("a new master key takes over: users' keys are wrapped with it, and their sealed fields still open", async () => {
  const people = createPeople(install.runFile().api);
  const made = [await people.register("rw"), await people.register("rw")];
  assert.match(await install.signalbox("rewrap"), /every key is wrapped with the newest master key already/);
  const versions = async () =>
    (await database.sql`select master_version, count(*)::int as keys from user_keys group by 1`).map(
      (row) => ({
        ...row,
      }),
    );
  const [before] = await versions();
  assert.ok(before!.keys >= made.length);

  const file = join(install.dataDir, "secrets", "personal.key");
  writeFileSync(file, `${randomBytes(32).toString("base64url")}\n`, { mode: 0o600 });
  appendFileSync(join(install.dataDir, "config.env"), `SIGNALBOX_MASTER_KEY_FILE=${file}\n`);
  await database.close();
  await install.signalbox("down");
  await install.signalbox("up", "--detach", "--port-base", String(portBase), "--no-console");
  database = connectDatabase(install.runFile().postgres, { name: "test", poolSize: 2 });

  assert.match(
    await install.signalbox("rewrap", "--reason", "a yearly change"),
    new RegExp(`${before!.keys} keys wrapped anew, none left[\\s\\S]*take the old lines out`),
  );
  const [now, ...others] = await versions();
  assert.deepEqual([now!.keys, others], [before!.keys, []]);
  assert.notEqual(now!.master_version, before!.master_version);
  assert.match(await install.signalbox("rewrap"), /already/);
  // An export opens what is sealed: the address among others.
  const out = join(install.dataDir, "export.tar.gz");
  await install.signalbox("export", made[0]!.handle, "--out", out);
  const archive = gunzipSync(readFileSync(out)).toString("latin1");
  assert.ok(archive.includes(`${made[0]!.handle}@example.test`));
});

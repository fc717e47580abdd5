import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { readConfig } from "./config.ts";

const engines = { DATABASE_URL: "postgres://a:b@127.0.0.1/c", REDIS_URL: "redis://127.0.0.1:6379" };

test("a role and its services fit together, or the message says what to change", () => {
  const read = (env: Record<string, string>) => readConfig({ ...engines, ...env });
  assert.deepEqual(
    read({ SIGNALBOX_ROLE: "service", SIGNALBOX_SERVICES: "users, feed,users" }).SIGNALBOX_SERVICES,
    ["users", "feed"],
  );
  assert.throws(
    () => read({ SIGNALBOX_ROLE: "service" }),
    /SIGNALBOX_SERVICES is not set, and SIGNALBOX_ROLE=service needs it/,
  );
  assert.throws(() => read({ SIGNALBOX_SERVICES: "users" }), /serves every module, so leave it out/);
  assert.throws(
    () => read({ SIGNALBOX_ROLE: "worker", SIGNALBOX_SERVICES: "users" }),
    /worker serves no module/,
  );
  assert.throws(
    () => read({ SIGNALBOX_ROLE: "service", SIGNALBOX_SERVICES: "users;feed" }),
    /names with commas/,
  );
  assert.throws(() => readConfig({ SIGNALBOX_ROLE: "service" }), /3 fault\(s\)/);
});

test("a password of any printable characters comes from a file, and is read out of the URL as it was", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "signalbox-config-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "password");
  const everything = String.fromCharCode(...Array.from({ length: 95 }, (_, at) => 32 + at));
  writeFileSync(file, `${everything}\n`);
  const { DATABASE_URL, REDIS_URL } = readConfig({
    DATABASE_URL: "postgres://ann@db:5432/signalbox",
    DATABASE_PASSWORD_FILE: file,
    REDIS_URL: "redis+cluster://h1:6379,h2:6379",
    REDIS_PASSWORD_FILE: file,
  });
  const database = new URL(DATABASE_URL);
  assert.deepEqual(
    [database.username, decodeURIComponent(database.password), database.host],
    ["ann", everything, "db:5432"],
  );
  assert.equal(REDIS_URL, `redis+cluster://:${encodeURIComponent(everything)}@h1:6379,h2:6379`);
  assert.throws(
    () => readConfig({ ...engines, DATABASE_PASSWORD_FILE: join(folder, "gone") }),
    /DATABASE_PASSWORD_FILE names .*gone, which can not be read/,
  );
});

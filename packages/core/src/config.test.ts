import assert from "node:assert/strict";
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

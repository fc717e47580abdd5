import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { findByEnvironment, identify, isAlive, sendSignal } from "./process-identity.ts";

test("a process is known by pid and start; one with another start is never signalled", async () => {
  const child = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"], {
    env: { TEST_MARK: "known" },
  });
  const identity = identify(child.pid!)!;
  assert.ok(isAlive(identity));
  sendSignal({ pid: child.pid!, startedAt: "another" }, "SIGKILL");
  assert.ok(isAlive(identity));
  if (process.platform === "linux") {
    await once(child, "spawn");
    assert.ok(findByEnvironment("TEST_MARK", "known").some(({ pid }) => pid === child.pid));
  }
  sendSignal(identity, "SIGKILL");
  await once(child, "exit");
  assert.ok(!isAlive(identity));
  assert.equal(identify(child.pid!), undefined);
});

// What doctor looks at in an install that runs: the same list on a laptop, in Compose and as the chart's test pod.
import assert from "node:assert/strict";

const checks = [
  ...["Postgres", "schema", "Redis"],
  // What the operator role sees of its own, with something written and read back.
  ...["postgres", "schema", "redis", "postgres:write", "redis:write", "control:settings"],
  ...["gateways", "operators", "services", "workers", "queues", "gateway"],
];

/** Each check is there once, by its name, and none fails; on a busy machine one may be slow enough for a warning. */
export function requireWhole(said: string): void {
  const found = [...said.matchAll(/^(ok|warn|fail) +(\S+) /gm)];
  assert.deepEqual(
    found.map(([, , name]) => name),
    checks,
    said,
  );
  assert.ok(!found.some(([, state]) => state === "fail"), said);
}

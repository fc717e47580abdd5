import assert from "node:assert/strict";
import { test } from "node:test";
import { fuzz } from "./fuzz.ts";
import { startApi } from "./server.ts";

test("2,000 requests made from the platform's own documents are answered as those documents say", async (t) => {
  const api = await startApi();
  t.after(() => api.stop());
  const seed = Number(process.env.FUZZ_SEED ?? 1);
  const { findings, statuses } = await fuzz(api, {
    requests: 2_000,
    seed,
    prefixes: ["/v1", "/v2", "/operator/v1"],
  });
  assert.ok(api.isAlive());
  assert.deepEqual(findings.slice(0, 5), [], `${findings.length} findings with FUZZ_SEED=${seed}`);
  assert.deepEqual(api.faults.slice(0, 5), []);
  assert.ok((statuses[200] ?? 0) > 200, JSON.stringify(statuses));
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { fuzz } from "./fuzz.ts";
import { startApi } from "./server.ts";

test("20,000 requests made from the platform's own documents are answered as those documents say", async (t) => {
  const api = await startApi();
  t.after(() => api.stop());
  const seed = Number(process.env.FUZZ_SEED ?? 2);
  const prefixes = ["/v1", "/v2", "/operator/v1"];
  const { findings, statuses, neverDone } = await fuzz(api, { requests: 20_000, seed, prefixes });
  t.diagnostic(`seed ${seed}: ${JSON.stringify(statuses)}; never done: ${neverDone.join(", ")}`);
  assert.ok(api.isAlive());
  assert.deepEqual(findings.slice(0, 5), [], `${findings.length} findings with FUZZ_SEED=${seed}`);
  assert.deepEqual(api.faults.slice(0, 5), []);
  assert.ok(neverDone.length < 35, `too little was reached: ${neverDone.join(", ")}`);
});

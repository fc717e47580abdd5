import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { machineEnvironment, readConfiguration } from "./configuration.ts";
import { dataDirAt } from "./data-dir.ts";

test("the environment wins over config.env, and what the command decides by itself is left out", (context) => {
  const folder = mkdtempSync(join(tmpdir(), "signalbox-configuration-"));
  context.after(() => rmSync(folder, { recursive: true }));
  writeFileSync(
    join(folder, "config.env"),
    "LOG_LEVEL=debug\nSIGNALBOX_ZONE=b\nCUSTOM=1\nSIGNALBOX_GATEWAY_PORT=1\n",
  );
  const environment = { LOG_LEVEL: "warn", PATH: "/bin", REDIS_URL: "", SIGNALBOX_DATA_DIR: "/elsewhere" };
  const configuration = readConfiguration(dataDirAt(folder), environment);
  assert.equal(configuration.LOG_LEVEL, "warn");
  assert.equal(configuration.SIGNALBOX_ZONE, "b");
  assert.equal(configuration.CUSTOM, "1");
  for (const name of ["PATH", "REDIS_URL", "SIGNALBOX_DATA_DIR", "SIGNALBOX_GATEWAY_PORT"])
    assert.ok(!(name in configuration), name);
  assert.deepEqual(machineEnvironment(environment), { PATH: "/bin" });
});

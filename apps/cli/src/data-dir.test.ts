import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { dataDirAt, prepareDataDir } from "./data-dir.ts";

test("secrets are made once, for the owner's eyes alone, and an empty one is never replaced in silence", (context) => {
  const parent = mkdtempSync(join(tmpdir(), "signalbox-data-dir-"));
  context.after(() => rmSync(parent, { recursive: true }));
  const dir = dataDirAt(join(parent, "data"));
  prepareDataDir(dir);
  const key = readFileSync(dir.masterKey, "utf8");
  assert.equal(Buffer.from(key.trim(), "base64url").length, 32);
  assert.equal(statSync(dir.masterKey).mode & 0o777, 0o600);
  assert.equal(statSync(dir.path).mode & 0o777, 0o700);
  prepareDataDir(dir);
  assert.equal(readFileSync(dir.masterKey, "utf8"), key);
  writeFileSync(dir.masterKey, "");
  assert.throws(() => prepareDataDir(dir), /is empty/);
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { newId } from "@signalbox/core/ids";
import { bornAt } from "./born-at.ts";

test("an id tells when it was made", () => {
  const before = Date.now();
  const at = Date.parse(bornAt(newId()));
  assert.ok(at >= before && at <= Date.now());
});

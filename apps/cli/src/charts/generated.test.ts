import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { test } from "node:test";
import { chartValues, generatedFiles, staleFindings } from "./generate.ts";
import { valuesSchema } from "./values.ts";

test("the chart's schema and README say what the configuration says today", () => {
  if (process.env.UPDATE_DOCS) for (const { path, text } of generatedFiles()) writeFileSync(path, text);
  assert.deepEqual(staleFindings(), []);
});

test("the defaults fit their own schema", () => {
  assert.deepEqual(valuesSchema.safeParse(chartValues()).error?.issues ?? [], []);
});

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { errorTable } from "@signalbox/core/errors";

test("docs/errors.md has one heading a code, with the code's status, tRPC code and title below it", async () => {
  const page = await readFile(new URL("../../../../docs/errors.md", import.meta.url), "utf8");
  const sections = page.split(/^## /m).slice(1);
  const written = sections.map((section) => {
    const [code, , facts] = section.split("\n");
    return [code, facts];
  });
  const expected = Object.entries(errorTable).map(([code, { http, trpc, title }]) => [
    code,
    `${http}, tRPC \`${trpc}\`. ${title}.`,
  ]);
  assert.deepEqual(written, expected);
});

test("every code says what it means and what to do", async () => {
  const page = await readFile(new URL("../../../../docs/errors.md", import.meta.url), "utf8");
  for (const section of page.split(/^## /m).slice(1)) {
    const [code, , , , ...advice] = section.split("\n");
    assert.ok(advice.join(" ").length > 60, `${code} needs a sentence or two`);
  }
});

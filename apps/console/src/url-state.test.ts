import assert from "node:assert/strict";
import { test } from "node:test";
import { nextSort, readChoice, readSort, safeNext, withParams, writeSort } from "./url-state.ts";

const params = (text: string) => new URLSearchParams(text);
const span = { name: "window", values: ["5m", "30s", "1h"] } as const;

test("an unknown choice in the address reads as the first", () => {
  assert.equal(readChoice(span, params("window=1h")), "1h");
  assert.equal(readChoice(span, params("window=2h")), "5m");
  assert.equal(readChoice(span, params("")), "5m");
});

test("an address names only what differs from what is meant anyway", () => {
  assert.equal(withParams("/", params("window=1h&q=feed"), { window: "5m" }, { window: "5m" }), "/?q=feed");
  assert.equal(withParams("/", params("q=feed"), { q: "" }), "/");
  assert.equal(
    withParams("/switches", params("q=a b"), { flip: "feed.post" }),
    "/switches?q=a+b&flip=feed.post",
  );
});

test("a sort survives the address, and one that makes no sense is left", () => {
  const fallback = { by: "rps", direction: "desc" } as const;
  assert.deepEqual(readSort(["rps", "key"], fallback, params("sort=key")), { by: "key", direction: "asc" });
  assert.deepEqual(readSort(["rps", "key"], fallback, params("sort=-key")), { by: "key", direction: "desc" });
  assert.deepEqual(readSort(["rps", "key"], fallback, params("sort=-nonsense")), fallback);
  assert.equal(writeSort({ by: "p95", direction: "desc" }), "-p95");
});

test("the same heading turns the order round, another starts with its telling end", () => {
  assert.deepEqual(nextSort({ by: "rps", direction: "desc" }, "rps", "desc"), {
    by: "rps",
    direction: "asc",
  });
  assert.deepEqual(nextSort({ by: "rps", direction: "asc" }, "key", "asc"), { by: "key", direction: "asc" });
});

test("after sign-in one lands in this console, whatever the address says", () => {
  assert.equal(safeNext("/switches?flip=feed.post.create"), "/switches?flip=feed.post.create");
  for (const bad of [
    null,
    undefined,
    "",
    "switches",
    "https://evil.example",
    "//evil.example",
    "/\\evil.example",
    "/\t/evil.example",
    "/sign-in",
    "/sign-in?next=/",
  ])
    assert.equal(safeNext(bad), "/", String(bad));
});

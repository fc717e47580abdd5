import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeEvent, encodeRow, instantOf } from "./envelope.ts";
import { busKeys } from "./keys.ts";
import { partitionOf } from "./partition.ts";
import { compareIds, idsAfter, isAfter, laterId, streamId } from "./stream-id.ts";

test("ids compare as numbers, not as text", () => {
  assert.ok(isAfter("10-0", "9-99"));
  assert.ok(isAfter("10-10", "10-9"));
  assert.equal(compareIds("18446744073709551615-1", "18446744073709551615-1"), 0);
  assert.equal(laterId("2-1", "2-0"), "2-1");
});

test("an id filled in later sorts after its commit and before the next one", () => {
  const next = idsAfter("100-3");
  assert.equal(next(), "100-4");
  assert.equal(next(), "100-5");
  assert.ok(isAfter(streamId(101n, 0), "100-5"));
});

test("users spread evenly over partitions", () => {
  const counts = new Array<number>(8).fill(0);
  for (let n = 0; n < 8_000; n++)
    counts[partitionOf(`01890000-0000-7000-8000-${n.toString(16).padStart(12, "0")}`, 8)]! += 1;
  for (const count of counts) assert.ok(count > 850 && count < 1_150, `uneven: ${counts}`);
});

test("a key stays in its partition for good", () => {
  assert.equal(partitionOf("01890000-0000-7000-8000-00000000000a", 8), 3);
  assert.equal(partitionOf("b", 8), 2);
});

test("keys that meet in one command share a hash tag", () => {
  const keys = busKeys();
  const tag = (key: string) => /\{[^}]+\}/.exec(key)?.[0];
  const of3 = [keys.stream(3, "e"), keys.lease(3, "feed"), keys.cursors(3)];
  assert.deepEqual(new Set(of3.map(tag)), new Set(["{p3}"]));
});

test("a row becomes an event without its payload being read", () => {
  const text = encodeRow({
    id: "01890000-0000-7000-8000-000000000001",
    key: "01890000-0000-7000-8000-00000000000a",
    topic: "post.created",
    version: "2",
    payload: '{"text": "a \\"quoted\\" word", "userId": "u"}',
    request_id: "request-1",
    traceparent: null,
    created_at: "2026-11-21 02:09:34.5+00",
  });
  assert.deepEqual(decodeEvent(text), {
    id: "01890000-0000-7000-8000-000000000001",
    topic: "post.created",
    version: 2,
    key: "01890000-0000-7000-8000-00000000000a",
    requestId: "request-1",
    traceparent: undefined,
    at: "2026-11-21T02:09:34.500Z",
    payload: { text: 'a "quoted" word', userId: "u" },
  });
  assert.equal(instantOf("2026-11-21 02:09:34+00"), Date.UTC(2026, 10, 21, 2, 9, 34));
});

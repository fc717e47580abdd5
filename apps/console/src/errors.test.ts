import assert from "node:assert/strict";
import { test } from "node:test";
import { faultOf, isAway, isFinal, sentence } from "./errors.ts";

const refused = (data: object, message = "text") => Object.assign(new Error(message), { data });

test("a refusal is known by its code and brings its request id and its fields along", () => {
  const errors = [{ field: "reason", message: "too short" }];
  assert.deepEqual(faultOf(refused({ code: "invalid", requestId: "r-1", errors }, "reason: too short")), {
    code: "invalid",
    requestId: "r-1",
    detail: "reason: too short",
    fields: errors,
  });
});

test("what is not an answer of the platform reads as no answer", () => {
  for (const error of [new Error("fetch failed"), refused({}), "text", undefined])
    assert.equal(faultOf(error).code, "unreachable");
});

test("asking again helps when something is away, not when the answer stands", () => {
  assert.ok(isAway(refused({ code: "unavailable" })) && !isFinal(refused({ code: "unavailable" })));
  assert.ok(isFinal(refused({ code: "forbidden" })) && !isAway(refused({ code: "forbidden" })));
});

test("a code that this console does not know yet is still said", () => {
  assert.match(sentence("quota_spent"), /quota_spent/);
});

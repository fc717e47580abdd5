import assert from "node:assert/strict";
import { test } from "node:test";
import type { SwitchItem } from "@signalbox/modules/control/schema";
import { draftOf, letsMoreThrough, newTarget, positionOf, shareFault, targetFault } from "./draft.ts";
import { switchItem } from "./testing.ts";

const item = (rest: Partial<SwitchItem>) => switchItem("feed", { isProtected: true, ...rest });

test("a share goes in thousandths, above none and up to all", () => {
  const draft = draftOf(item({}), "off");
  for (const [share, ok] of [
    ["0.001", true],
    ["33.333", true],
    ["100", true],
    ["0.0005", false],
    ["0", false],
    ["101", false],
    ["", false],
    ["half", false],
  ] as const)
    assert.equal(shareFault({ ...draft, share }) === undefined, ok, share);
});

test("on says nothing of whom an off met; off says all of it", () => {
  const draft = draftOf(item({ state: "off", share: 5, message: " Soon. " }), "off");
  const target = { ...newTarget(), values: "eu, us,, " };
  assert.deepEqual(positionOf({ ...draft, state: "on" }), { state: "on" });
  assert.deepEqual(positionOf({ ...draft, targets: [target] }), {
    ...{ state: "off", share: 5, instead: "refuse", message: "Soon." },
    targets: [{ attribute: "region", is: "in", values: ["eu", "us"] }],
  });
  assert.ok(targetFault({ ...target, values: " , " }));
  assert.ok(targetFault({ ...target, attribute: "no name" }));
});

test("what lets more callers through takes two, stopping them never does", () => {
  const off = item({ state: "off", share: 50 });
  const draft = draftOf(off, "off");
  assert.ok(letsMoreThrough(off, { ...draft, state: "on" }));
  assert.ok(letsMoreThrough(off, { ...draft, share: "20" }));
  assert.ok(letsMoreThrough(off, { ...draft, instead: "degrade" }));
  assert.ok(letsMoreThrough(off, { ...draft, targets: [{ ...newTarget(), values: "eu" }] }));
  assert.ok(!letsMoreThrough(off, { ...draft, share: "80" }));
  assert.ok(!letsMoreThrough(item({}), draftOf(item({}), "off")));
});

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { blindIndex, localKms, open, seal } from "./vault.ts";

test("what is sealed opens under its own key and context only, and not when a bit is changed", () => {
  const key = randomBytes(32);
  const sealed = seal(key, "ann:email", "ann@example.test");
  assert.equal(open(key, "ann:email", sealed).toString(), "ann@example.test");
  assert.equal(sealed.includes("example"), false);
  assert.throws(() => open(key, "bob:email", sealed));
  assert.throws(() => open(randomBytes(32), "ann:email", sealed));
  for (const at of [0, 1, 13, sealed.length - 1]) {
    const changed = Buffer.from(sealed);
    changed[at]! ^= 1;
    assert.throws(() => open(key, "ann:email", changed));
  }
  assert.throws(() => open(key, "ann:email", Buffer.alloc(3)));
});

test("an old master key still unwraps beside the new one, and is missed by name without", async () => {
  const [first, second] = [randomBytes(32), randomBytes(32)];
  const dataKey = randomBytes(32);
  const wrapped = await localKms([first]).wrap(dataKey, "ann");
  const both = localKms([second, first]);
  assert.deepEqual(await both.unwrap(wrapped, "ann"), dataKey);
  await assert.rejects(both.unwrap(wrapped, "bob"));
  const anew = await both.wrap(dataKey, "ann");
  assert.notEqual(anew.masterVersion, wrapped.masterVersion);
  assert.deepEqual(await localKms([second]).unwrap(anew, "ann"), dataKey);
  await assert.rejects(localKms([second]).unwrap(wrapped, "ann"), new RegExp(wrapped.masterVersion));
});

test("a blind index is the same for the same text, and another with another secret or purpose", () => {
  const secret = randomBytes(32);
  assert.deepEqual(blindIndex(secret, "email", "a@b.test"), blindIndex(secret, "email", "a@b.test"));
  assert.notDeepEqual(blindIndex(secret, "email", "a@b.test"), blindIndex(secret, "phone", "a@b.test"));
  assert.notDeepEqual(
    blindIndex(randomBytes(32), "email", "a@b.test"),
    blindIndex(secret, "email", "a@b.test"),
  );
});

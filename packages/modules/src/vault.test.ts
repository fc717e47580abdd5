import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, test } from "node:test";
import { newId } from "@signalbox/core/ids";
import { localKms } from "@signalbox/core/vault";
import { sql } from "@signalbox/db/query";
import type { Deps } from "./ctx.ts";
import { testWorld, type World } from "./testing.ts";
import { aliasOf, dropKey, makeKey, openFor, rewrapKeys, sealFor } from "./vault.ts";

let world: World;
before(async () => {
  world = await testWorld();
});
after(() => world.close());

/** A user as far as the vault knows one. */
async function newUser(deps: Deps): Promise<string> {
  const id = newId();
  const { row } = await makeKey(deps, id);
  await deps.db.execute(sql`with claimed as (select ${id}::uuid as user_id) ${row}`);
  return id;
}

test("a user's fields open with that user's key, and never again once it is dropped", async () => {
  const [ann, bob] = [await newUser(world.deps), await newUser(world.deps)];
  const sealed = await sealFor(world.deps, ann, "t.email", "ann@example.test");
  assert.equal(String(await openFor(world.deps, ann, "t.email", sealed)), "ann@example.test");
  await sealFor(world.deps, bob, "t.email", "bob@example.test");
  await assert.rejects(openFor(world.deps, bob, "t.email", sealed));
  await assert.rejects(openFor(world.deps, ann, "t.phone", sealed));
  await dropKey(world.deps, ann);
  assert.equal(await openFor(world.deps, ann, "t.email", sealed), undefined);
});

test("who leaves is given no other key by what is still under way for him", async () => {
  const cat = await newUser(world.deps);
  await dropKey(world.deps, cat);
  const gone = /this account is being erased/;
  await assert.rejects(sealFor(world.deps, cat, "t.email", "a new life"), gone);
  await assert.rejects(aliasOf(world.deps, cat), gone);
  assert.equal((await world.deps.sql`select 1 from user_keys where user_id = ${cat}`).count, 0);
});

test("a new master key takes over: keys are wrapped anew, and the old one can go", async () => {
  const dan = await newUser(world.deps);
  const sealed = await sealFor(world.deps, dan, "t.email", "dan@example.test");
  const fresh = randomBytes(32);
  const both = { ...world.deps, kms: localKms([fresh, world.deps.secret]) };
  assert.equal(String(await openFor(both, dan, "t.email", sealed)), "dan@example.test");
  let last = { done: 0, left: -1 };
  for await (const progress of rewrapKeys(both)) last = progress;
  assert.ok(last.done >= 1);
  assert.equal(last.left, 0);
  const alone = { ...world.deps, kms: localKms([fresh]) };
  assert.equal(String(await openFor(alone, dan, "t.email", sealed)), "dan@example.test");
  await assert.rejects(openFor(world.deps, dan, "t.email", sealed), /does not hold/);
});

test("wrapping anew may be stopped in the middle, says what is left, and goes on there", async (context) => {
  const { deps: before, close } = await testWorld();
  context.after(close);
  for (let n = 0; n < 210; n += 1) await newUser(before);
  const deps = { ...before, kms: localKms([randomBytes(32), before.secret]) };
  const first = await rewrapKeys(deps).next();
  assert.deepEqual(first.value, { done: 200, left: 10 });
  let last = { done: 0, left: -1 };
  for await (const progress of rewrapKeys(deps)) last = progress;
  assert.deepEqual(last, { done: 10, left: 0 });
});

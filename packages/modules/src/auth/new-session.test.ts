import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { Deadline, withDeadline } from "@signalbox/core/resilience/deadline";
import { ctxOf, testWorld, type World } from "../testing.ts";
import { openSession } from "./new-session.ts";

let world: World;
before(async () => {
  world = await testWorld();
});
after(() => world.close());

const device = Buffer.from("sealed");

async function person(handle: string) {
  const password = "a phrase long enough";
  const { user } = await world
    .guest()
    .auth.account.register({ handle, email: `${handle}@example.test`, password });
  const [row] = await world.deps.sql<{ passwordHash: string }[]>`
    select password_hash as "passwordHash" from credentials where user_id = ${user.id}`;
  return { id: user.id, passwordHash: row!.passwordHash };
}

const open = ({ id, passwordHash }: { id: string; passwordHash: string }) =>
  openSession(ctxOf(world.deps, { kind: "guest" }), id, { passwordHash, device });

test("those who sign in in the same moment are let in together, each under a guard of his own", async () => {
  const [one, two, suspended, changed] = await Promise.all(
    ["ns_one", "ns_two", "ns_suspended", "ns_changed"].map(person),
  );
  await world.deps.sql`update credentials set suspended_at = now() where user_id = ${suspended!.id}`;
  await world.deps.sql`update credentials set password_hash = 'another' where user_id = ${changed!.id}`;
  const ids = await Promise.all([one!, two!, suspended!, changed!, one!].map(open));
  assert.deepEqual(
    ids.map((id) => id !== undefined),
    [true, true, false, false, true],
  );
  const kept = await world.deps.sql`
    select sessions.user_id as "userId", sessions.id, sessions.xmin::text as transaction, audit_events.id is not null as noted
    from sessions left join audit_events
      on audit_events.user_id = sessions.user_id and kind = 'session.created' and detail ->> 'sessionId' = sessions.id::text
    where sessions.id = any(${ids.filter((id) => id !== undefined)}::uuid[])`;
  assert.deepEqual(kept.map(({ userId }) => userId).toSorted(), [one!.id, one!.id, two!.id].toSorted());
  assert.ok(kept.every(({ noted }) => noted));
  assert.equal(new Set(kept.map(({ transaction }) => transaction)).size, 1, "by one statement");
});

test("an account that is being changed keeps nobody else waiting, and is decided by what it was changed to", async () => {
  const [held, kept, free] = await Promise.all(["ns_held", "ns_kept", "ns_free"].map(person));
  const { sql } = world.deps;
  let heldIsOpen: Promise<string | undefined> | undefined;
  let keptIsOpen: Promise<string | undefined> | undefined;
  await sql.begin(async (sql) => {
    await sql`update credentials set suspended_at = now() where user_id = ${held!.id}`;
    await sql`select 1 from credentials where user_id = ${kept!.id} for update`;
    heldIsOpen = open(held!);
    keptIsOpen = open(kept!);
    assert.ok(await open(free!));
    assert.equal(await Promise.race([heldIsOpen, keptIsOpen, pause(200, "waits")]), "waits");
  });
  assert.equal(await heldIsOpen, undefined);
  assert.ok(await keptIsOpen);
});

test("a sign-in ends with its call, though the database does not answer", async () => {
  const someone = await person("ns_late");
  await world.deps.sql.begin(async (sql) => {
    await sql`lock table sessions in access exclusive mode`;
    const from = performance.now();
    const opening = withDeadline(new Deadline(300), () => open(someone));
    await assert.rejects(opening, { code: "deadline" });
    assert.ok(performance.now() - from < 2_000);
  });
});

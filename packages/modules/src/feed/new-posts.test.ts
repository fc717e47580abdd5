import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { AppError } from "@signalbox/core/errors";
import { newId } from "@signalbox/core/ids";
import { Deadline, withDeadline } from "@signalbox/core/resilience/deadline";
import { type AsUser, tell } from "../ctx.ts";
import { ctxOf, testWorld, type World } from "../testing.ts";
import { postCreated } from "./events.ts";
import { writePost } from "./new-posts.ts";

let world: World;
let ctx: AsUser;

before(async () => {
  world = await testWorld();
  ctx = ctxOf(world.deps, { kind: "user", id: newId(), sessionId: newId() }) as AsUser;
});
after(() => world.close());

function post(text: string, id = newId(), { hashtags = [], links = [], mentions = [] }: Partial<Named> = {}) {
  const userId = ctx.actor.id;
  const told = tell(ctx, postCreated, { userId, id, visibility: "public", replyTo: null, mentions: [] });
  return { id, userId, text, visibility: "public" as const, named: { hashtags, links, mentions }, told };
}
type Named = Parameters<typeof writePost>[1]["named"];

async function claim(): Promise<{ id: Buffer; claim: string }> {
  const mine = { id: Buffer.from(newId()), claim: newId() };
  await world.deps.sql`
    insert into idempotency_keys (id, fingerprint, claim, lease_until, expires_at)
    values (${mine.id}, ${mine.id}, ${mine.claim}, now() + interval '1 minute', now() + interval '1 day')`;
  return mine;
}

const stored = (ids: string[]) => world.deps.sql<{ id: string; text: string; events: number }[]>`
  select id, text, (select count(*)::int from outbox where payload->>'id' = posts.id::text) as events
  from posts where id = any(${ids}::uuid[]) order by id`;

test("posts of one moment are each there once, as they were sent, with one event each", async () => {
  const named = {
    hashtags: ["a b", '"{c}", \\d'],
    links: ["https://example.org/?a=1,2"],
    mentions: [{ id: newId(), handle: "ann" }],
  };
  const sent = Array.from({ length: 250 }, (_, n) =>
    post(`"${n}" \\ {é} 'x'\n$1`, undefined, n % 3 === 0 ? named : {}),
  );
  const times = await Promise.all(sent.map((one) => writePost(ctx, one)));
  assert.ok(times.every((at) => at instanceof Date));
  const rows = await stored(sent.map(({ id }) => id));
  assert.deepEqual(
    rows.map(({ id, text, events }) => ({ id, text, events })),
    sent.map(({ id, text }) => ({ id, text, events: 1 })),
  );
  const [first] = await world.deps.sql`
    select hashtags, links, (select handle from mentions where post_id = id) as handle from posts where id = ${sent[0]!.id}`;
  assert.deepEqual({ ...first }, { hashtags: named.hashtags, links: named.links, handle: "ann" });
});

test("where the database refuses one, its neighbours are written and it alone is told why", async () => {
  const [before, twice, after] = [post("before"), post("first"), post("after")];
  const outcomes = await Promise.allSettled(
    [before, twice, post("second", twice.id), after].map((one) => writePost(ctx, one)),
  );
  assert.deepEqual(
    outcomes.map(({ status }) => status),
    ["fulfilled", "fulfilled", "rejected", "fulfilled"],
  );
  const rows = await stored([before, twice, after].map(({ id }) => id));
  assert.deepEqual(
    rows.map(({ text, events }) => [text, events]),
    [
      ["before", 1],
      ["first", 1],
      ["after", 1],
    ],
  );
});

test("a claim is marked with its post; whose claim was taken over writes nothing, and holds up nobody", async () => {
  const [good, lost] = [await claim(), await claim()];
  await world.deps.sql`update idempotency_keys set claim = ${newId()} where id = ${lost.id}`;
  const [claimed, late, free] = [post("claimed"), post("late"), post("free")];
  const outcomes = await Promise.allSettled([
    writePost({ ...ctx, claim: good }, claimed),
    writePost({ ...ctx, claim: lost }, late),
    writePost(ctx, free),
  ]);
  assert.deepEqual(
    outcomes.map((outcome) => (outcome.status === "rejected" ? outcome.reason.code : "written")),
    ["written", "conflict", "written"],
  );
  const rows = await stored([claimed, late, free].map(({ id }) => id));
  assert.deepEqual(
    rows.map(({ text }) => text),
    ["claimed", "free"],
  );
  const [told] = await world.deps
    .sql`select count(*)::int as events from outbox where payload->>'id' = ${late.id}`;
  assert.equal(told?.events, 0);
  const [kept] = await world.deps
    .sql`select effect_at is not null as marked from idempotency_keys where id = ${good.id}`;
  assert.equal(kept?.marked, true);
});

test("a call that may not ask the database writes nothing, nor does one whose caller waits no longer", async () => {
  const [barred, late] = [post("barred"), post("late")];
  const refused = new AppError("disabled", "switched off");
  const deadlines = [new Deadline(1_000), new Deadline(0)];
  deadlines[0]!.barred = refused;
  const outcomes = await Promise.allSettled(
    [barred, late].map((one, n) => withDeadline(deadlines[n]!, () => writePost(ctx, one))),
  );
  assert.deepEqual(
    outcomes.map((outcome) => outcome.status === "rejected" && outcome.reason.code),
    ["disabled", "deadline"],
  );
  assert.deepEqual([...(await stored([barred.id, late.id]))], []);
});

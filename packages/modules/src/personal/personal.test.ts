// Exports and erasures on real engines, for a person who used every module.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, test } from "node:test";
import { gunzipSync } from "node:zlib";
import { newId } from "@signalbox/core/ids";
import { operatorRouter } from "../control/index.ts";
import type { Ctx } from "../ctx.ts";
import { ctxOf, testWorld, type World } from "../testing.ts";
import { sealFor } from "../vault.ts";
import { findTraces, holdings, readArchive, runNextRequest } from "./index.ts";
import { expireOld, retention } from "./retention.ts";

let world: World;
let job: Ctx;
before(async () => {
  world = await testWorld();
  job = ctxOf(world.deps, { kind: "job", name: "personal" });
});
after(async () => {
  await world.close();
});

const password = "a phrase long enough";

async function person(handle: string) {
  const email = `${handle}@example.test`;
  const { user, refreshToken } = await world.guest().auth.account.register({ handle, email, password });
  const [session] = await world.deps.sql`select id from sessions where user_id = ${user.id}`;
  const actor = { kind: "user" as const, id: user.id, sessionId: String(session!.id) };
  return { ...user, email, actor, refreshToken, caller: world.as(actor) };
}
type Person = Awaited<ReturnType<typeof person>>;

/** All that can be done with posts, both ways: what is his own, and what of him is with others. */
async function useTheFeed(ann: Person, bob: Person) {
  const { feed } = ann.caller;
  const own = await feed.post.create({ text: `a #tag, https://example.test/x and @${bob.handle}` });
  const his = await bob.caller.feed.post.create({ text: `what says @${ann.handle}?` });
  const answered = await bob.caller.feed.post.create({ text: "asking all", visibility: "followers" });
  await feed.post.edit({ id: own.id, text: `another #word and @${bob.handle}` });
  await bob.caller.feed.post.edit({ id: his.id, text: `and now, @${ann.handle}?` });
  const reply = await feed.post.create({ text: "I say this", replyTo: his.id });
  await feed.post.create({ text: "for friends", replyTo: answered.id, visibility: "followers" });
  await bob.caller.feed.post.create({ text: "I see", replyTo: reply.id });
  await world.settle();
  for (const [who, id] of [
    [ann, his.id],
    [bob, own.id],
    [bob, reply.id],
  ] as const) {
    await who.caller.feed.like.create({ id });
    await who.caller.feed.repost.create({ id });
  }
  await world.settle();
  for (const caller of [ann.caller, bob.caller, world.guest()]) {
    for (const { id } of [own, his, reply]) {
      await caller.feed.post.read({ id });
      await caller.feed.reply.list({ id });
      await caller.feed.history.list({ id });
    }
    for (const { handle } of [ann, bob]) await caller.feed.post.list({ handle });
  }
  await ann.caller.feed.home.read({});
  await bob.caller.feed.home.read({});
  return { his };
}

/** What fails on its way, under his key and under another's. */
async function leaveLetters(ann: Person, bob: Person) {
  const { sql } = world.deps;
  for (const [key, payload] of [
    [ann.id, { userId: ann.id }],
    [bob.id, { userId: bob.id, targetId: ann.id }],
  ] as const)
    await sql`insert into dead_letters (consumer_group, partition, key, event_id, topic, event, error, attempts)
      values ('feed', 1, ${key}, ${newId()}, 'user.followed', ${sql.json({ key, payload })}, ${`no ${ann.id}`}, 3)`;
}

/** A row of his in every table that can hold one, made through the procedures where there are such. */
async function useEverything(ann: Person, bob: Person) {
  const { sql, redis } = world.deps;
  await ann.caller.users.follow.create({ handle: bob.handle });
  await bob.caller.users.follow.create({ handle: ann.handle });
  for (const text of ["first", "second", "third"]) await ann.caller.feed.post.create({ text });
  const used = await useTheFeed(ann, bob);
  await leaveLetters(ann, bob);
  await sql`insert into pulled_authors (user_id) values (${ann.id})`;
  await world.settle();
  await ann.caller.feed.home.read({});
  await bob.caller.feed.home.read({});
  await bob.caller.users.profile.read({ handle: ann.handle });
  await world.guest().auth.session.create({ login: ann.handle, password });
  await sql`insert into blocks (user_id, target_id) values (${ann.id}, ${newId()})`;
  await sql`insert into mutes (user_id, target_id) values (${bob.id}, ${ann.id})`;
  await world.guest().auth.password.forgot({ email: ann.email });
  await world.settle();
  // Operators' acts about a person stand in a log that can not be edited.
  const operators = operatorRouter.createCaller(
    ctxOf(world.deps, { kind: "operator", id: "op", name: "Op", role: "admin" }),
  );
  await bob.caller.moderation.report.create({ subject: { kind: "user", id: ann.id }, reason: "spam" });
  await operators.cases.decide({ subject: { kind: "user", id: ann.id }, suspend: true, reason: "a test" });
  await operators.users.restore({ user: ann.handle, reason: "a mistake" });
  await operators.users.role({ user: ann.handle, role: "moderator", reason: "helps" });
  await operators.caches.invalidate({ key: `users.profile:${ann.id}`, reason: "a test" });
  await sql`insert into second_factors (user_id, secret) values (${ann.id}, ${randomBytes(20)})`;
  await sql`insert into recovery_codes (user_id, hash) values (${ann.id}, ${randomBytes(32)})`;
  await sql`insert into audit_events (user_id, id, kind, by) values (${ann.id}, ${newId()}, 'sign-in', 'user')`;
  await sql`insert into reports (user_id, id, subject_kind, subject_id, reason) values (${bob.id}, ${newId()}, 'user', ${ann.id}, 'spam')`;
  await sql`insert into idempotency_keys (id, user_id, fingerprint, claim, lease_until, expires_at)
    values (${randomBytes(32)}, ${ann.id}, ${randomBytes(32)}, ${newId()}, now(), now() + interval '1 day')`;
  await sealFor(world.deps, ann.id, "t.note", "something sealed");
  await redis.set(`limits:${ann.id}`, "7", "EX", 60);
  const event = JSON.stringify({
    id: newId(),
    topic: "user.followed",
    key: bob.id,
    payload: { targetId: ann.id },
  });
  // As the bus keeps them: handled by one group, which goes on to the next.
  await redis.rpush("bus:{epochs}", "e1");
  const entry = await redis.xadd("bus:{p1}:e1", "*", "e", event);
  const cursor = { epoch: "e1", head: entry, pending: [], safeAt: 0 };
  await redis.hset("bus:{p1}:cursors", "feed", JSON.stringify(cursor));
  return used;
}

/** By what the database says: a table that is added later has to be used here too. */
async function tablesOfPeople(): Promise<string[]> {
  const rows = await world.deps.sql<{ name: string }[]>`
    select distinct c.relname as name from pg_attribute a join pg_class c on c.oid = a.attrelid
    join pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p') and not c.relispartition and a.attname in ('user_id', 'target_id')
      and n.nspname not in ('pg_catalog', 'information_schema')`;
  return rows.map(({ name }) => name);
}

const search = ({ id, handle, email }: Person) => findTraces(world.deps, { id, handle, email });
const places = (traces: { items: { place: string }[] }) => traces.items.map(({ place }) => place);

test("who used every module and deletes the account leaves nothing behind", async () => {
  const [ann, bob] = [await person("ann_gone"), await person("bob_stays")];
  const { his } = await useEverything(ann, bob);
  await ann.caller.auth.phone.change({ phone: "+49 (30) 1234-567", password });
  await ann.caller.users.me.update({ avatar: "https://pictures.example.test/ann.png" });
  await ann.caller.personal.export.create();
  await runNextRequest(job);
  const before = places(await search(ann));
  const held = await tablesOfPeople();
  const unused = held.filter((table) => !before.some((place) => place.startsWith(`${table}.`)));
  assert.deepEqual(unused, [], "tables that can hold a user and were not used");
  assert.ok(before.includes("dead_letters.event") && before.includes("outbox.payload"));
  for (const family of ["bus:", "cache:", "feed:"])
    assert.ok(
      before.some((place) => place.startsWith(`redis ${family}`)),
      `${family} in ${before.filter((place) => place.startsWith("redis")).join(", ")}`,
    );

  await assert.rejects(ann.caller.personal.account.delete({ password: "not the phrase" }), /password/);
  const request = await ann.caller.personal.account.delete({ password });
  assert.equal(request.state, "waiting");

  // At once: not seen, not signed in, the name not free.
  assert.ok(world.deps.revocations.has(ann.actor.sessionId));
  await assert.rejects(world.guest().users.profile.read({ handle: ann.handle }));
  await assert.rejects(world.guest().auth.session.create({ login: ann.handle, password }));
  await assert.rejects(world.guest().auth.session.refresh({ refreshToken: ann.refreshToken }));
  await assert.rejects(person(ann.handle), /is taken/);
  await assert.rejects(ann.caller.personal.account.delete({ password }));

  assert.equal(await runNextRequest(job), true);
  const [row] = await world.deps.sql`select * from personal_requests where id = ${request.id}`;
  assert.deepEqual(
    [row!.state, row!.user_id, row!.error, row!.steps.length],
    ["done", null, null, row!.total],
  );
  assert.deepEqual((await search(ann)).items, []);

  // The other one keeps what is his, and is counted right.
  const profile = await world.guest().users.profile.read({ handle: bob.handle });
  assert.deepEqual(profile.counts, { followers: 0, following: 0 });
  const { items } = await bob.caller.feed.home.read({});
  assert.deepEqual([...new Set(items.map(({ author }) => author.id))], [bob.id]);
  const left = items.find(({ id }) => id === his.id)!;
  assert.deepEqual(
    [left.counts, left.viewer, left.entities.mentions],
    [{ likes: 0, replies: 0, reposts: 0 }, { liked: false, reposted: false }, []],
  );
  assert.equal(await runNextRequest(job), false);

  // Nobody can pass for who left while links to him are fresh; after thirty days the name is anyone's, and nothing tells of it.
  await assert.rejects(person(ann.handle), /is taken/);
  const { sql } = world.deps;
  const [kept] =
    await sql`select round(extract(epoch from until - now()) / 86400)::int as days from held_handles`;
  assert.equal(kept?.days, 30);
  await sql`update held_handles set until = now()`;
  assert.equal((await person(ann.handle)).handle, ann.handle);
  await expireOld(world.deps);
  assert.equal((await sql`select from held_handles`).length, 0);
});

test("the search finds what nobody registered: in a table of its own, in JSON, in bytes, in Redis", async () => {
  const { sql, redis } = world.deps;
  const cat = await person("cat_found");
  const clean = (await search(cat)).total;
  await sql`create table forgotten (who uuid, note text, facts jsonb, raw bytea, names text[])`;
  await sql`insert into forgotten values
    (${cat.id}, null, null, null, null),
    (null, ${`mail to ${cat.email.toUpperCase()}`}, null, null, null),
    (null, ${cat.handle}, null, null, null),
    (null, null, ${sql.json({ deep: [{ by: cat.handle }] })}, null, null),
    (null, null, null, ${Buffer.from(`xx${cat.id.replaceAll("-", "")}`.slice(2), "hex")}, null),
    (null, null, null, null, ${[cat.handle]}),
    (null, ${`a text about @${cat.handle} by someone else`}, null, null, null)`;
  await redis.hset("other:things", "a", JSON.stringify({ handle: cat.handle }));
  await redis.zadd("other:scores", 1, cat.id);
  await redis.sadd(`other:{${cat.handle}}:set`, "x");
  const found = await search(cat);
  const items = Object.fromEntries(found.items.map(({ place, count }) => [place, count]));
  assert.deepEqual(
    Object.fromEntries(Object.entries(items).filter(([place]) => /forgotten|other/.test(place))),
    {
      "forgotten.who": 1,
      "forgotten.note": 2,
      "forgotten.facts": 1,
      "forgotten.raw": 1,
      "forgotten.names": 1,
      "redis other:things": 1,
      "redis other:scores": 1,
      [`redis other:{${cat.handle}}:set`]: 1,
    },
  );
  assert.equal(found.total, clean + 9);

  // An erasure that leaves something says where, and is not done.
  await cat.caller.personal.account.delete({ password });
  await runNextRequest(job);
  const [row] = await sql`select state, error from personal_requests where user_id = ${cat.id}`;
  assert.equal(row!.state, "waiting");
  assert.match(row!.error, /forgotten\.who \(1\)/);
  await sql`drop table forgotten`;
  await redis.del("other:things", "other:scores", `other:{${cat.handle}}:set`);
  await sql`update personal_requests set lease_until = null`;
  await runNextRequest(job);
  assert.deepEqual((await search(cat)).items, []);
});

test("an erasure that was stopped in the middle goes on after its last step", async () => {
  const [dan, eve] = [await person("dan_half"), await person("eve_stays")];
  await useEverything(dan, eve);
  const { id } = await dan.caller.personal.account.delete({ password });
  const { sql } = world.deps;
  const steps = async () =>
    (await sql`select steps from personal_requests where id = ${id}`)[0]!.steps.length;
  let asked = 0;
  assert.equal(await runNextRequest(job, () => ++asked > 5), true);
  assert.equal(await steps(), 5);

  // Killed in the sixth step: the lease is not given back, so nobody takes it until it has ended.
  const holding = holdings.find(({ name }) => name === "feed")!;
  const [step] = holding.erase;
  const { run } = step!;
  const killed = Promise.withResolvers<void>();
  step!.run = () => {
    killed.resolve();
    return new Promise(() => {});
  };
  void runNextRequest(job);
  await killed.promise;
  step!.run = run;
  const done = await steps();
  assert.equal(await runNextRequest(job), false);
  await sql`update personal_requests set lease_until = now() - interval '1 second' where id = ${id}`;
  assert.equal(await runNextRequest(job), true);
  const [row] = await sql`select state, attempts from personal_requests where id = ${id}`;
  assert.deepEqual([row!.state, row!.attempts], ["done", 3]);
  assert.ok(done >= 5);
  assert.deepEqual((await search(dan)).items, []);
});

test("an export is one archive of everything, for its owner alone, sealed until it is fetched", async () => {
  const [fay, gil] = [await person("fay_out"), await person("gil_other")];
  await useEverything(fay, gil);
  await fay.caller.auth.phone.change({ phone: "+49 (30) 1234-567", password });
  await fay.caller.users.me.update({ avatar: "https://pictures.example.test/fay.png" });
  const asked = await fay.caller.personal.export.create();
  assert.equal(asked.archive, null);
  assert.equal((await fay.caller.personal.export.create()).id, asked.id);
  await runNextRequest(job);
  const ready = await fay.caller.personal.export.read({ id: asked.id });
  assert.deepEqual([ready.state, ready.archive], ["done", `/v1/me/export/${asked.id}/archive`]);
  await assert.rejects(gil.caller.personal.export.read({ id: asked.id }), /no request/);
  await assert.rejects(readArchive(ctxOf(world.deps, gil.actor), asked.id), /no request/);

  const chunks: Buffer[] = [];
  for await (const chunk of await readArchive(ctxOf(world.deps, fay.actor), asked.id)) chunks.push(chunk);
  const files = untar(gunzipSync(Buffer.concat(chunks)));
  assert.equal(files.get("users/profile.json")?.[0]?.handle, fay.handle);
  assert.equal(files.get("users/profile.json")?.[0]?.avatar, "https://pictures.example.test/fay.png");
  assert.equal(files.get("auth/account.json")?.[0]?.phone, "+49301234567");
  assert.deepEqual(
    (files.get("feed/posts.json") as { text: string }[]).map(({ text }) => text),
    ["first", "second", "third", `another #word and @${gil.handle}`, "I say this", "for friends"],
  );
  assert.deepEqual(
    files.get("users/following.json")?.map(({ handle }) => handle),
    [gil.handle],
  );
  assert.equal(files.get("auth/sessions.json")?.length, 2);
  assert.equal(JSON.stringify([...files]).includes("argon2"), false);
  const [kept] = await world.deps.sql`select sealed from personal_archives where user_id = ${fay.id}`;
  assert.equal(kept!.sealed.subarray(0, 2).equals(Buffer.from([0x1f, 0x8b])), false);

  await world.deps.sql`update personal_requests set expires_at = now() where id = ${asked.id}`;
  assert.equal((await expireOld(world.deps))["platform.archives"], 1);
  await assert.rejects(readArchive(ctxOf(world.deps, fay.actor), asked.id), /no longer kept/);
});

test("every module says how long it keeps what", () => {
  assert.deepEqual([...new Set(retention().map(({ name }) => name))].sort(), [
    "auth",
    "canaries",
    "feed",
    "notifications",
    "platform",
    "users",
  ]);
});

function untar(bytes: Buffer): Map<string, Record<string, unknown>[]> {
  const files = new Map<string, Record<string, unknown>[]>();
  for (let at = 0; bytes[at] !== 0; ) {
    const name = bytes.toString("latin1", at, at + 100).replace(/\0.*$/s, "");
    const size = Number.parseInt(bytes.toString("latin1", at + 124, at + 135), 8);
    files.set(name, JSON.parse(bytes.toString("utf8", at + 512, at + 512 + size)));
    at += 512 + Math.ceil(size / 512) * 512;
  }
  return files;
}

test("an address is in no column in clear, and signs in all the same", async () => {
  const hal = await person("hal_sealed");
  const { sql } = world.deps;
  const [row] =
    await sql`select row_to_json(credentials)::text as kept from credentials where user_id = ${hal.id}`;
  assert.equal(row!.kept.includes(Buffer.from(hal.email).toString("hex")) || row!.kept.includes("@"), false);
  const { user } = await world.guest().auth.session.create({ login: hal.email.toUpperCase(), password });
  assert.equal(user.id, hal.id);
});

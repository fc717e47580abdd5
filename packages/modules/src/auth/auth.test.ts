import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { newId } from "@signalbox/core/ids";
import { connectRedis } from "@signalbox/core/redis";
import { ctxOf, testWorld, type World } from "../testing.ts";
import { register } from "./auth.ts";
import { isCommonPassword } from "./common-passwords.ts";
import { createRevocations } from "./revocations.ts";
import { createAccessVerifier, openRefresh, sealRefresh } from "./tokens.ts";

let world: World;
before(async () => {
  world = await testWorld();
});
after(() => world.close());

const refused = (code: string) => (error: { cause?: { code?: string } }) => error.cause?.code === code;
const person = (handle: string) => ({
  handle,
  email: `${handle}@example.test`,
  password: "a phrase long enough",
});

test("a registered person signs in by handle in any case, and by e-mail", async () => {
  const guest = world.guest();
  const made = await guest.auth.account.register(person("Ann_In"));
  assert.equal(made.user.handle, "ann_in");
  for (const login of ["ann_in", "ANN_IN", "ann_in@EXAMPLE.test"]) {
    const { user } = await guest.auth.session.create({ login, password: "a phrase long enough" });
    assert.equal(user.id, made.user.id);
  }
});

test("a wrong password and an unknown login are refused in the same words", async () => {
  const guest = world.guest();
  await guest.auth.account.register(person("bob_wrong"));
  const words: string[] = [];
  for (const login of ["bob_wrong", "nobody_here", "nobody@example.test"]) {
    await guest.auth.session
      .create({ login, password: "not the phrase" })
      .catch((error) => words.push(error.cause.message));
  }
  assert.equal(words.length, 3);
  assert.equal(new Set(words).size, 1);
});

test("a taken handle is a conflict; a known e-mail address is not told", async () => {
  const guest = world.guest();
  await guest.auth.account.register(person("cat_taken"));
  await assert.rejects(guest.auth.account.register(person("CAT_taken")), refused("conflict"));
  const twin = await guest.auth.account.register({ ...person("cat_twin"), email: "cat_taken@example.test" });
  assert.equal(twin.user.handle, "cat_twin");
});

test("of those who register one handle at once one gets it, and nothing is written of the others", async () => {
  const emails = Array.from({ length: 8 }, (_, n) => `cat_race${n}@example.test`);
  const rows = async () => {
    const [found] = await world.deps.sql`
      select (select count(*) from credentials)::int as credentials, (select count(*) from user_keys)::int as keys,
        (select count(*) from users)::int as users, (select count(*) from user_counts)::int as counts,
        (select count(*) from sessions)::int as sessions, (select count(*) from audit_events)::int as noted,
        (select count(*) from outbox)::int as told`;
    return found as Record<string, number>;
  };
  const before = await rows();
  const answers = await Promise.allSettled(
    emails.map((email) => world.guest().auth.account.register({ ...person("cat_race"), email })),
  );
  const lost = answers.filter((answer) => answer.status === "rejected");
  assert.equal(lost.length, 7);
  for (const { reason } of lost) assert.ok(refused("conflict")(reason), String(reason));
  const after = await rows();
  const added = Object.fromEntries(
    Object.entries(after).map(([name, count]) => [name, count - before[name]!]),
  );
  assert.deepEqual(added, { credentials: 1, keys: 1, users: 1, counts: 1, sessions: 1, noted: 2, told: 1 });
});

test("a registration whose Idempotency-Key was taken over meanwhile writes nothing", async () => {
  const ctx = { ...ctxOf(world.deps, { kind: "guest" }), claim: { id: Buffer.alloc(32, 7), claim: newId() } };
  await assert.rejects(register(ctx, person("cat_late")), { code: "conflict", retryAfterMs: 1_000 });
  const left = await world.deps.sql`
    select handle from handles where handle = 'cat_late' union all select handle from users where handle = 'cat_late'`;
  assert.equal(left.length, 0);
});

test("an access token is verified without the database, and not after its end", async () => {
  const { accessToken, user } = await world.guest().auth.account.register(person("dan_token"));
  const verify = createAccessVerifier(world.deps);
  assert.equal((await verify(accessToken)).id, user.id);
  const later = createAccessVerifier({ ...world.deps, now: () => new Date(Date.now() + 16 * 60_000) });
  await assert.rejects(later(accessToken), { code: "unauthorized" });
  const [head, body, signature] = accessToken.split(".");
  const forged = Buffer.from(
    JSON.stringify({ ...JSON.parse(Buffer.from(body!, "base64url").toString()), sub: "someone else" }),
  );
  await assert.rejects(verify(`${head}.${forged.toString("base64url")}.${signature}`), {
    code: "unauthorized",
  });
  const none = Buffer.from(JSON.stringify({ alg: "none", typ: "at+jwt" })).toString("base64url");
  await assert.rejects(verify(`${none}.${body}.`), { code: "unauthorized" });
});

test("of 200 parallel refreshes of one token exactly one successor comes, and nobody is signed out", async () => {
  const { refreshToken } = await world.guest().auth.account.register(person("eve_many"));
  const answers = await Promise.all(
    Array.from({ length: 200 }, () => world.guest().auth.session.refresh({ refreshToken })),
  );
  const successors = new Set(answers.map((answer) => answer.refreshToken));
  assert.equal(successors.size, 1);
  const [successor] = successors;
  assert.notEqual(successor, refreshToken);
  await world.guest().auth.session.refresh({ refreshToken: successor! });
});

/** Sessions of one person as if opened long ago, with the token of each. */
async function openMany(userId: string, count: number) {
  const ids = Array.from({ length: count }, () => newId());
  await world.deps.sql`
    insert into sessions (user_id, id, expires_at)
    select ${userId}, id, now() + interval '1 day' from unnest(${ids}::uuid[]) as made (id)`;
  return ids.map((sessionId) => ({
    sessionId,
    refreshToken: sealRefresh(world.deps.secret, { userId, sessionId, counter: 0 }),
  }));
}
const refresh = (refreshToken: string) => world.guest().auth.session.refresh({ refreshToken });

test("sessions that refresh in the same moment share a statement, and each stands under its own guard", async () => {
  const { sql, secret } = world.deps;
  const { user } = await world.guest().auth.account.register(person("gus_crowd"));
  const open = await openMany(user.id, 60);
  const [revoked, expired, ...good] = open;
  await sql`update sessions set revoked_at = now() where id = ${revoked!.sessionId}`;
  await sql`update sessions set expires_at = now() where id = ${expired!.sessionId}`;
  const twice = good[0]!;
  const results = await Promise.allSettled([...open, twice].map(({ refreshToken }) => refresh(refreshToken)));
  const tokens = results.map((result) =>
    result.status === "fulfilled" ? result.value.refreshToken : result.reason.cause.code,
  );
  assert.deepEqual(tokens, [
    "unauthorized",
    "unauthorized",
    ...[...good, twice].map(({ sessionId }) =>
      sealRefresh(secret, { userId: user.id, sessionId, counter: 1 }),
    ),
  ]);
  const [row] = await sql`
    select count(distinct xmin::text)::int as statements from sessions where user_id = ${user.id} and counter = 1`;
  assert.ok(row!.statements <= 3, `${row!.statements} statements for ${good.length} sessions`);
});

test("a session whose row is held keeps nobody else waiting, and is answered when it is free", async () => {
  const { user } = await world.guest().auth.account.register(person("hal_held"));
  const [held, free] = await openMany(user.id, 2);
  let answered = false;
  let late: Promise<unknown> | undefined;
  await world.deps.sql.begin(async (sql) => {
    await sql`select 1 from sessions where id = ${held!.sessionId} for update`;
    late = refresh(held!.refreshToken).then(() => {
      answered = true;
    });
    await refresh(free!.refreshToken);
    assert.equal(answered, false);
  });
  await late;
});

test("a refresh token older than the parent ends the session", async () => {
  const guest = world.guest();
  const first = (await guest.auth.account.register(person("fay_reuse"))).refreshToken;
  const second = (await guest.auth.session.refresh({ refreshToken: first })).refreshToken;
  const third = (await guest.auth.session.refresh({ refreshToken: second })).refreshToken;
  assert.equal((await guest.auth.session.refresh({ refreshToken: second })).refreshToken, third);
  await assert.rejects(guest.auth.session.refresh({ refreshToken: first }), refused("unauthorized"));
  await assert.rejects(guest.auth.session.refresh({ refreshToken: third }), refused("unauthorized"));
});

test("a refresh token opens to what was sealed, and not at all when a bit of it changed", () => {
  const claim = {
    userId: "01a1fbcc-29d7-7778-8b6b-1f09df668aa0",
    sessionId: "01a1fbcc-29d7-7779-8b09-96073c5cbf2f",
    counter: 7,
  };
  const token = sealRefresh(world.deps.secret, claim);
  assert.deepEqual(openRefresh(world.deps.secret, token), claim);
  for (let at = 0; at < token.length; at += 1) {
    const changed = token.slice(0, at) + (token[at] === "A" ? "B" : "A") + token.slice(at + 1);
    assert.equal(openRefresh(world.deps.secret, changed), undefined);
  }
});

test("common passwords, repetitions and runs are told apart from phrases", () => {
  for (const weak of [
    "password123",
    "QWERTYUIOP",
    "aaaaaaaaaaaa",
    "abcabcabcabc",
    "0123456789",
    "klmnopqrstu",
  ])
    assert.equal(isCommonPassword(weak), true, weak);
  for (const good of ["the phrase of ann", "correct battery", "vUq3-ztbn-71"])
    assert.equal(isCommonPassword(good), false, good);
});

test("an access token is refused on every instance once its session is ended, by each way of ending it", async () => {
  const { sql, redis, log } = world.deps;
  const elsewhere = createRevocations({ sql, redis, log });
  await elsewhere.start();
  const verify = createAccessVerifier({ ...world.deps, revocations: elsewhere });
  const guest = world.guest();
  const { handle, password } = person("gil_out");
  const first = await guest.auth.account.register(person("gil_out"));
  const signIn = () => guest.auth.session.create({ login: handle, password });
  const [second, third] = [await signIn(), await signIn()];
  const me = async (token: string) => world.as(await verify(token));

  const { items } = await (await me(first.accessToken)).auth.session.list({});
  assert.equal(items.length, 3);
  assert.equal(items.filter(({ current }) => current).length, 1);

  await guest.auth.session.end({ refreshToken: second.refreshToken });
  await eventuallyRefused(() => verify(second.accessToken));
  await assert.rejects(
    guest.auth.session.refresh({ refreshToken: second.refreshToken }),
    refused("unauthorized"),
  );

  await (await me(third.accessToken)).auth.session.endAll();
  await eventuallyRefused(() => verify(third.accessToken));
  await eventuallyRefused(() => verify(first.accessToken));
  await elsewhere.close();
});

test("with Redis away the other instances learn of an ended session from the database within a second", async () => {
  const { sql, log } = world.deps;
  const away = connectRedis("redis://127.0.0.1:1", { lazyConnect: true });
  const elsewhere = createRevocations({ sql, redis: away, log });
  await elsewhere.start();
  const verify = createAccessVerifier({ ...world.deps, revocations: elsewhere });
  const { accessToken } = await world.guest().auth.account.register(person("hal_out"));
  await world.as(await verify(accessToken)).auth.session.endAll();
  await eventuallyRefused(() => verify(accessToken));
  await elsewhere.close();
  away.disconnect();
});

async function eventuallyRefused(work: () => Promise<unknown>) {
  for (const until = Date.now() + 1_000; Date.now() < until; await setTimeout(20)) {
    if (
      await work().then(
        () => false,
        (error) => error.code === "unauthorized",
      )
    )
      return;
  }
  assert.fail("still accepted after a second");
}

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { hash } from "@node-rs/argon2";
import { newId } from "@signalbox/core/ids";
import { connectRedis } from "@signalbox/core/redis";
import { tables } from "@signalbox/db";
import { createLimiter } from "@signalbox/gateway/limiter";
import { operatorRouter } from "../control/index.ts";
import type { Actor, AsOperator } from "../ctx.ts";
import { appRouter } from "../index.ts";
import { listMailbox } from "../mail/index.ts";
import { operatorAccounts } from "../moderation/operator.ts";
import { ctxOf, testWorld, type World } from "../testing.ts";
import { createRouter } from "../trpc.ts";
import { defaultPasswordCost } from "./index.ts";
import { sendMail } from "./mails.ts";
import { pauseAfter } from "./throttle.ts";
import { createAccessVerifier } from "./tokens.ts";
import { codeAt, stepAt, stepOf } from "./totp.ts";

const operator: Actor = { kind: "operator", id: "ann", name: "Ann", role: "admin" };

let world: World;
before(async () => {
  world = await testWorld();
});
after(async () => {
  await world.close();
});

const phrase = "a phrase long enough";
const refused = (code: string, words?: RegExp) => (error: { cause?: { code?: string; message?: string } }) =>
  error.cause?.code === code && (!words || words.test(error.cause.message ?? ""));
const register = (handle: string, email = `${handle}@example.test`) =>
  world.guest().auth.account.register({ handle, email, password: phrase });
const signIn = (login: string, password = phrase, code?: string) =>
  world.guest().auth.session.create({ login, password, ...(code ? { code } : {}) });
/** As the session that an answer opened. */
async function holder({ accessToken }: { accessToken: string }) {
  return world.as(await createAccessVerifier(world.deps)(accessToken));
}
async function mailsTo(to: string) {
  await world.settle();
  const { items } = await listMailbox(ctxOf(world.deps, operator) as AsOperator, {});
  return items.filter((mail) => mail.to === to);
}
async function tokenFor(to: string): Promise<string> {
  const mail = (await mailsTo(to)).find(({ text }) => text.includes("sbm_"));
  return /sbm_[\w-]+/.exec(mail!.text)![0];
}

test("after ten failures an account is refused with the time to wait, the right password and unknown accounts too", async () => {
  await register("amy_slow");
  for (const login of ["amy_slow", "nobody_slow"]) {
    for (let n = 0; n < 10; n += 1) await assert.rejects(signIn(login, "wrong"), refused("unauthorized"));
    await assert.rejects(
      signIn(login),
      (error: { cause: { code: string; retryAfterMs: number } }) =>
        error.cause.code === "rate_limited" &&
        error.cause.retryAfterMs > 1_000 &&
        error.cause.retryAfterMs <= 90_000,
    );
  }
  await register("amy_other");
  await signIn("amy_other");
});

test("a phone number is its owner's to read, kept sealed, and found by operators where one account has it", async () => {
  const me = await holder(await register("amy_phone"));
  assert.deepEqual(await me.auth.phone.read(), { phone: null });
  const phone = "+49301234567";
  await assert.rejects(me.auth.phone.change({ phone, password: "wrong" }), refused("forbidden"));
  for (const bad of ["030 123456", "+0301234567", "+49", "+49x30123456"])
    await assert.rejects(me.auth.phone.change({ phone: bad, password: phrase }), refused("invalid"), bad);
  await me.auth.phone.change({ phone: "+49 (30) 123-4567", password: phrase });
  assert.deepEqual(await me.auth.phone.read(), { phone });
  const [row] = await world.deps.sql`
    select phone_sealed, phone_index, credentials::text as all from credentials where phone_index is not null`;
  assert.equal(row!.phone_index.length, 32);
  for (const kept of [row!.all, row!.phone_sealed.toString("latin1")]) assert.ok(!kept.includes("301234567"));
  const found = async () =>
    (await operatorRouter.createCaller(ctxOf(world.deps, operator)).users.list({ q: phone })).items.map(
      ({ handle }) => handle,
    );
  assert.deepEqual(await found(), ["amy_phone"]);
  const other = await holder(await register("bob_phone"));
  await other.auth.phone.change({ phone, password: phrase });
  assert.deepEqual(await found(), []);
  await other.auth.phone.change({ phone: null, password: phrase });
  assert.deepEqual(await other.auth.phone.read(), { phone: null });
  assert.deepEqual(await me.auth.phone.read(), { phone });
});

test("right passwords do not count, in whatever number", async () => {
  await register("bea_often");
  for (let n = 0; n < 15; n += 1) await signIn("bea_often");
});

test("forty guesses at once are no more than ten one after another", async () => {
  await register("cyd_burst");
  const tries = await Promise.allSettled(Array.from({ length: 40 }, () => signIn("cyd_burst", "wrong")));
  const codes = tries.map((one) => (one.status === "rejected" ? one.reason.cause.code : "in"));
  assert.equal(codes.filter((code) => code === "unauthorized").length, 10);
  assert.equal(codes.filter((code) => code === "rate_limited").length, 30);
});

test("with Redis away the count of failures holds in the process, and a quarter of it must do", async () => {
  const away = connectRedis("redis://127.0.0.1:1", { lazyConnect: true });
  const limiter = createLimiter({ redis: away });
  const alone = await testWorld({ deps: { redis: away, limiter } });
  try {
    for (let n = 0; n < 2; n += 1)
      await assert.rejects(
        alone.guest().auth.session.create({ login: "nobody", password: "wrong" }),
        refused("unauthorized"),
      );
    await assert.rejects(
      alone.guest().auth.session.create({ login: "nobody", password: "wrong" }),
      refused("rate_limited"),
    );
  } finally {
    await limiter.close();
    away.disconnect();
    await alone.close();
  }
});

test("an address that fails all the time waits longer and longer", () => {
  assert.deepEqual([100, 101, 102, 103, 150].map(pauseAfter), [0, 1_000, 2_000, 4_000, 300_000]);
});

test("an address is proven by a mailed token, once; the second to prove it is refused", async () => {
  await register("dee_mail", "same@example.test");
  const first = await tokenFor("same@example.test");
  await register("eli_mail", "same@example.test");
  const second = await tokenFor("same@example.test");
  assert.notEqual(first, second);
  await world.guest().auth.email.verify({ token: first });
  await assert.rejects(world.guest().auth.email.verify({ token: first }), refused("invalid"));
  await assert.rejects(world.guest().auth.email.verify({ token: second }), refused("conflict"));
  assert.equal((await signIn("same@example.test")).user.handle, "dee_mail");
  for (const token of ["sbm_", "sbm_AAAA", `${first.slice(0, -2)}xx`, "nothing"])
    await assert.rejects(world.guest().auth.email.verify({ token }), refused("invalid"));
});

test("a token to prove an address can be asked for again, and does not reset a password", async () => {
  const person = await holder(await register("fin_mail"));
  await mailsTo("fin_mail@example.test");
  await person.auth.email.resend();
  const mails = await mailsTo("fin_mail@example.test");
  assert.equal(mails.length, 2);
  const token = await tokenFor("fin_mail@example.test");
  await assert.rejects(
    world.guest().auth.password.reset({ token, password: "another phrase" }),
    refused("invalid"),
  );
  await world.guest().auth.email.verify({ token });
});

test("an account has its link since it was made; a mail that goes out late has one that is good all the same", async () => {
  const links = (userId: string) =>
    world.deps.sql`select id, expires_at as "expiresAt" from mailed_links where user_id = ${userId}`;
  const { user } = await register("gil_link");
  const [made] = await links(user.id);
  assert.equal(made!.id, user.id);
  await world.settle();
  assert.deepEqual([...(await links(user.id))], [made]);
  await world.guest().auth.email.verify({ token: await tokenFor("gil_link@example.test") });

  const { user: late } = await register("gia_late");
  await world.deps
    .sql`update mailed_links set expires_at = now() + interval '1 hour' where user_id = ${late.id}`;
  await world.settle();
  const [again] = await links(late.id);
  assert.ok(again!.expiresAt.getTime() > Date.now() + 23 * 3_600_000);

  // As an account that an older release made.
  const { user: older } = await register("gus_older");
  await world.deps.sql`delete from mailed_links where user_id = ${older.id}`;
  for (const name of ["gia_late", "gus_older"])
    await world.guest().auth.email.verify({ token: await tokenFor(`${name}@example.test`) });
});

test("mails that are made in one moment go each to its own address with its own link, and none to who is not there", async () => {
  const names = ["una_many", "uri_many", "uwe_many"];
  const people = await Promise.all(names.map((name) => register(name)));
  const ctx = ctxOf(world.deps, { kind: "job", name: "test" });
  const resent = newId();
  await Promise.all([
    ...people.map(({ user: { id } }) => sendMail.run(ctx, { kind: "verification", userId: id, id })),
    sendMail.run(ctx, { kind: "verification", userId: people[0]!.user.id, id: resent }),
    sendMail.run(ctx, { kind: "notice", userId: people[1]!.user.id, what: "a test" }),
    sendMail.run(ctx, { kind: "verification", userId: newId(), id: newId() }),
  ]);
  const { items } = await listMailbox(ctxOf(world.deps, operator) as AsOperator, {});
  const own = items.filter(({ to }) => names.some((name) => to === `${name}@example.test`));
  assert.equal(own.length, 5);
  assert.equal(new Set(own.flatMap(({ text }) => /sbm_[\w-]+/.exec(text) ?? [])).size, 4);
  for (const name of names) {
    const { text } = own.find((mail) => mail.to === `${name}@example.test` && mail.text.includes("sbm_"))!;
    await world.guest().auth.email.verify({ token: /sbm_[\w-]+/.exec(text)![0] });
  }
});

test("a forgotten password is reset by a mailed token, once, and every session ends", async () => {
  const before = await register("gus_reset");
  const guest = world.guest();
  assert.equal(await guest.auth.password.forgot({ email: "gus_reset@example.test" }), undefined);
  assert.equal(await guest.auth.password.forgot({ email: "nobody@example.test" }), undefined);
  const token = await tokenFor("gus_reset@example.test");
  assert.equal((await mailsTo("nobody@example.test")).length, 0);
  await guest.auth.password.reset({ token, password: "a new phrase of gus" });
  await assert.rejects(guest.auth.password.reset({ token, password: "a third phrase" }), refused("invalid"));
  await assert.rejects(
    guest.auth.session.refresh({ refreshToken: before.refreshToken }),
    refused("unauthorized"),
  );
  await assert.rejects(signIn("gus_reset"), refused("unauthorized"));
  await signIn("gus_reset", "a new phrase of gus");
  const [notice] = await mailsTo("gus_reset@example.test");
  assert.match(notice!.subject, /changed/);
  const kept = await world.deps.db.select().from(tables.mailedLinks);
  assert.ok(!JSON.stringify(kept).includes(token.slice(4, 40)));
});

test("a reset token is too old after half an hour", async () => {
  await register("hal_late");
  await world.guest().auth.password.forgot({ email: "hal_late@example.test" });
  const token = await tokenFor("hal_late@example.test");
  await world.deps.sql`update mailed_links set expires_at = now() - interval '1 second'`;
  await assert.rejects(
    world.guest().auth.password.reset({ token, password: "another phrase" }),
    refused("invalid"),
  );
});

test("mails to one address are few, and asking tells nothing about whether it is known", async () => {
  await register("ida_flood");
  const answers: string[] = [];
  for (const email of ["ida_flood@example.test", "unknown_flood@example.test"])
    for (let n = 0; n < 7; n += 1)
      answers.push(
        await world
          .guest()
          .auth.password.forgot({ email })
          .then(
            () => "taken",
            (error) => error.cause.code,
          ),
      );
  assert.deepEqual(answers.slice(0, 7), answers.slice(7));
  assert.deepEqual(answers.slice(4, 7), ["taken", "rate_limited", "rate_limited"]);
});

test("changing a password needs the present one and ends the other sessions", async () => {
  const other = await register("jay_change");
  const mine = await signIn("jay_change");
  const me = await holder(mine);
  await assert.rejects(
    me.auth.password.change({ current: "wrong", password: "the next phrase" }),
    refused("forbidden"),
  );
  await assert.rejects(
    me.auth.password.change({ current: phrase, password: "password123" }),
    refused("invalid"),
  );
  await me.auth.password.change({ current: phrase, password: "the next phrase" });
  await assert.rejects(
    world.guest().auth.session.refresh({ refreshToken: other.refreshToken }),
    refused("unauthorized"),
  );
  await world.guest().auth.session.refresh({ refreshToken: mine.refreshToken });
  await signIn("jay_change", "the next phrase");
  const { items } = await me.auth.activity.list({});
  assert.ok(items.some(({ kind }) => kind === "password.changed"));
  assert.ok(items.some(({ kind }) => kind === "session.created"));
});

test("the codes of RFC 6238", () => {
  const secret = Buffer.from("12345678901234567890");
  for (const [seconds, code] of [
    [59, "94287082"],
    [1111111109, "07081804"],
    [1111111111, "14050471"],
    [1234567890, "89005924"],
    [2000000000, "69279037"],
    [20000000000, "65353130"],
  ] as const) {
    const at = new Date(seconds * 1_000);
    assert.equal(codeAt(secret, stepAt(at), 8), code);
    assert.equal(stepOf(secret, code.slice(2), at), stepAt(at));
    assert.equal(stepOf(secret, code.slice(2), new Date(at.getTime() + 120_000)), undefined);
  }
});

test("a second factor: set up, confirmed, asked for, not taken twice, recovered, removed", async () => {
  const mine = await register("kim_factor");
  const me = await holder(mine);
  await assert.rejects(me.auth.secondFactor.setUp({ password: "wrong" }), refused("forbidden"));
  const { secret, uri } = await me.auth.secondFactor.setUp({ password: phrase });
  assert.match(uri, new RegExp(`secret=${secret}&`));
  const key = fromBase32(secret);
  const codeIn = (steps: number) => codeAt(key, stepAt(new Date()) + steps);
  await signIn("kim_factor");
  await assert.rejects(me.auth.secondFactor.confirm({ code: "000000" }), refused("invalid"));
  const { recoveryCodes } = await me.auth.secondFactor.confirm({ code: codeIn(0) });
  assert.equal(new Set(recoveryCodes).size, 10);

  await assert.rejects(signIn("kim_factor"), refused("unauthorized", /code is needed/));
  await assert.rejects(signIn("kim_factor", "wrong"), refused("unauthorized", /login and password/));
  await assert.rejects(signIn("kim_factor", phrase, codeIn(0)), refused("unauthorized", /used before/));
  const next = codeIn(1);
  await signIn("kim_factor", phrase, next);
  await assert.rejects(signIn("kim_factor", phrase, next), refused("unauthorized"));

  await signIn("kim_factor", phrase, recoveryCodes[0]);
  await assert.rejects(signIn("kim_factor", phrase, recoveryCodes[0]), refused("unauthorized"));
  await signIn("kim_factor", phrase, recoveryCodes[1]!.toLowerCase().replaceAll("-", ""));

  await assert.rejects(me.auth.secondFactor.setUp({ password: phrase }), refused("conflict"));
  await me.auth.secondFactor.remove({ password: phrase });
  await signIn("kim_factor");
  const [row] = await world.deps.sql`select count(*)::int as n from recovery_codes`;
  assert.equal(row!.n, 0);
});

test("a reset password does not open an account that has a second factor", async () => {
  const me = await holder(await register("lea_factor"));
  const { secret } = await me.auth.secondFactor.setUp({ password: phrase });
  await me.auth.secondFactor.confirm({ code: codeAt(fromBase32(secret), stepAt(new Date())) });
  await world.guest().auth.password.forgot({ email: "lea_factor@example.test" });
  const token = await tokenFor("lea_factor@example.test");
  await world.guest().auth.password.reset({ token, password: "a new phrase of lea" });
  await assert.rejects(
    signIn("lea_factor", "a new phrase of lea"),
    refused("unauthorized", /code is needed/),
  );
});

test("a hash made at another cost is made anew when its owner signs in", async () => {
  const { user } = await register("max_cost");
  const cheap = await hash(phrase, { memoryCost: 8_192, timeCost: 1, parallelism: 1 });
  await world.deps.sql`update credentials set password_hash = ${cheap} where user_id = ${user.id}`;
  await signIn("max_cost");
  const [row] = await world.deps.sql`select password_hash from credentials where user_id = ${user.id}`;
  assert.ok(row!.password_hash.startsWith(`$argon2id$v=19$m=${defaultPasswordCost.memoryCost},t=2,p=1$`));
  await signIn("max_cost");
});

test("a password is the same in whatever form a keyboard writes it", async () => {
  const password = "caf\u00e9 am Fenster";
  await world.guest().auth.account.register({ handle: "nia_form", email: "nia@example.test", password });
  await signIn("nia_form", "cafe\u0301 am Fenster");
});

function fromBase32(text: string): Buffer {
  const bits = [...text]
    .map((char) => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(char).toString(2).padStart(5, "0"))
    .join("");
  return Buffer.from(bits.match(/.{8}/g)!.map((byte) => Number.parseInt(byte, 2)));
}

test("another address takes the password, is proven where it is, and the old one is told", async () => {
  const [before, after] = ["ida_old@example.test", "Ida_New@example.test"];
  const ida = await register("ida_moves", before);
  const caller = await holder(ida);
  await assert.rejects(
    caller.auth.email.change({ email: after, password: "not the phrase" }),
    refused("forbidden"),
  );
  await caller.auth.email.change({ email: after, password: phrase });
  // Until it is proven nothing has changed, and the new one signs nobody in.
  await signIn(before);
  await assert.rejects(signIn(after), refused("unauthorized"));
  const token = await tokenFor(after.toLowerCase());
  assert.ok((await mailsTo(before)).every(({ text }) => !text.includes(token)));
  // A token for one purpose is none for another.
  await assert.rejects(world.guest().auth.email.verify({ token }), refused("invalid"));
  await world.guest().auth.email.confirm({ token });
  await assert.rejects(world.guest().auth.email.confirm({ token }), refused("invalid"));
  await signIn(after);
  await assert.rejects(signIn(before), refused("unauthorized"));
  const [farewell] = await mailsTo(before);
  assert.equal(farewell!.subject, "Your e-mail address was changed");
  assert.equal(
    (await mailsTo(after.toLowerCase())).filter(({ subject }) => /was changed/.test(subject)).length,
    0,
  );
});

test("an address that another account has proven is refused when it is confirmed, and the account keeps its own", async () => {
  await register("jan_first", "jan@example.test");
  await world.guest().auth.email.verify({ token: await tokenFor("jan@example.test") });
  const kim = await holder(await register("kim_second", "kim@example.test"));
  await kim.auth.email.change({ email: "jan@example.test", password: phrase });
  const token = await tokenFor("jan@example.test");
  await assert.rejects(world.guest().auth.email.confirm({ token }), refused("conflict"));
  await signIn("kim@example.test");
});

test("what a database says as text holds no device, address, mail or mailbox in clear", async () => {
  const { sql } = world.deps;
  const agent = "Lynx/9.9 (Model of Lou)";
  const secret = { userAgent: agent, address: "203.0.113.77" };
  const guest = appRouter.createCaller({ ...ctxOf(world.deps, { kind: "guest" }), ...secret });
  const lou = { handle: "lou_plain", email: "lou.plain@example.test", password: phrase };
  await guest.auth.account.register(lou);
  const signedIn = await guest.auth.session.create({ login: lou.handle, password: phrase });
  await guest.auth.password.forgot({ email: lou.email });
  const actor = await createAccessVerifier(world.deps)(signedIn.accessToken);
  const own = appRouter.createCaller({ ...ctxOf(world.deps, actor), ...secret });
  await own.auth.email.change({ email: "lou.next@example.test", password: phrase });
  const token = await tokenFor("lou.next@example.test");
  await guest.auth.email.confirm({ token });
  await world.settle();

  // Its owner reads them.
  const [session] = (await own.auth.session.list({})).items;
  assert.deepEqual([session!.device, session!.address], [agent, "203.0.113.77"]);
  const changed = (await own.auth.activity.list({})).items.find(({ kind }) => kind === "email.changed");
  assert.deepEqual([changed!.device, changed!.address], [agent, "203.0.113.77"]);
  assert.equal((await mailsTo("lou.next@example.test")).length > 0, true);

  const tables = await sql<{ name: string }[]>`
    select quote_ident(table_name) as name from information_schema.tables
    where table_schema = 'public' and table_type = 'BASE TABLE'`;
  assert.ok(tables.length > 15);
  const findIn = async (needle: string) => {
    const hex = Buffer.from(needle).toString("hex");
    const found: string[] = [];
    for (const { name } of tables) {
      const [row] = await sql.unsafe(
        `select count(*)::int as count from ${name} as kept where kept::text ilike $1 or kept::text ilike $2`,
        [`%${needle}%`, `%${hex}%`],
      );
      if (row!.count > 0) found.push(name);
    }
    return found;
  };
  // The scan finds what is kept in clear on purpose: it can fail.
  assert.ok((await findIn("lou_plain")).includes("users"));
  for (const needle of [agent, "203.0.113.77", lou.email, "lou.next@example.test", token])
    assert.deepEqual(await findIn(needle), [], needle);
});

test("every act on an account is an event that its owner reads", async () => {
  const operators = createRouter(operatorAccounts).createCaller(ctxOf(world.deps, operator));
  const mia = await register("mia_acts", "mia@example.test");
  const caller = async () => holder(await signIn("mia_acts", "another long phrase"));
  const acts: [string, () => Promise<unknown>][] = [
    ["account.created", async () => {}],
    ["session.created", async () => {}],
    [
      "email.verified",
      async () => world.guest().auth.email.verify({ token: await tokenFor("mia@example.test") }),
    ],
    [
      "password.changed",
      async () =>
        (await holder(mia)).auth.password.change({ current: phrase, password: "another long phrase" }),
    ],
    [
      "password.reset",
      async () => {
        await world.guest().auth.password.forgot({ email: "mia@example.test" });
        const token = await tokenFor("mia@example.test");
        await world.guest().auth.password.reset({ token, password: "another long phrase" });
      },
    ],
    [
      "email.changed",
      async () => {
        await (await caller()).auth.email.change({
          email: "mia2@example.test",
          password: "another long phrase",
        });
        await world.guest().auth.email.confirm({ token: await tokenFor("mia2@example.test") });
      },
    ],
    ["session.ended", async () => (await caller()).auth.session.endAll()],
    ["role.changed", () => operators.users.role({ user: "mia_acts", role: "moderator", reason: "helps" })],
    ["account.suspended", () => operators.users.suspend({ user: "mia_acts", reason: "a test" })],
    ["account.restored", () => operators.users.restore({ user: "mia_acts", reason: "over" })],
    ["export.asked", async () => (await caller()).personal.export.create()],
    [
      "second_factor.added",
      async () => {
        const own = await caller();
        const { secret } = await own.auth.secondFactor.setUp({ password: "another long phrase" });
        await own.auth.secondFactor.confirm({ code: codeAt(fromBase32(secret), stepAt(new Date())) });
        await own.auth.secondFactor.remove({ password: "another long phrase" });
      },
    ],
    ["second_factor.removed", async () => {}],
  ];
  for (const [kind, act] of acts) {
    await act();
    const [row] = await world.deps.sql`
      select count(*)::int as count from audit_events where user_id = ${mia.user.id} and kind = ${kind}`;
    assert.ok(row!.count >= 1, kind);
  }
  // An erasure takes these along, so its own is read before it is done.
  await (await caller()).personal.account.delete({ password: "another long phrase" });
  const [asked] = await world.deps.sql`
    select by from audit_events where user_id = ${mia.user.id} and kind = 'erasure.asked'`;
  assert.equal(asked!.by, `user ${mia.user.id}`);
});

// OWASP ASVS 5.0, V6 to V9 at level 2: a case a clause. docs/asvs.md says which clauses have none, and why.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { fixedLive } from "@signalbox/control/live";
import { SignJWT } from "jose";
import type { AsOperator } from "../ctx.ts";
import { appRouter } from "../index.ts";
import { listMailbox } from "../mail/index.ts";
import { ctxOf, testWorld, type World } from "../testing.ts";
import { readAccountState, suspendAccount } from "./accounts.ts";
import { isCommonPassword } from "./common-passwords.ts";
import { signingKeys } from "./keys.ts";
import { linkMs } from "./links.ts";
import { Password } from "./schema.ts";
import { accessSeconds, createAccessVerifier, refreshMs, sessionMs, signAccess } from "./tokens.ts";
import { codeAt, stepAt, stepSeconds } from "./totp.ts";

let world: World;
let page: string;
before(async () => {
  world = await testWorld();
  page = await readFile(new URL("../../../../docs/asvs.md", import.meta.url), "utf8");
});
after(() => world.close());

const phrase = "a phrase long enough";
const refused = (code: string) => (error: { cause?: { code?: string } }) => error.cause?.code === code;
let people = 0;
async function someone() {
  people += 1;
  const handle = `asvs_${people}`;
  const made = await world
    .guest()
    .auth.account.register({ handle, email: `${handle}@example.test`, password: phrase });
  const actor = await createAccessVerifier(world.deps)(made.accessToken);
  const signIn = (password = phrase, code?: string) =>
    world.guest().auth.session.create({ login: handle, password, ...(code ? { code } : {}) });
  return { ...made, handle, actor, me: world.as(actor), signIn };
}
const verify = (token: string) => createAccessVerifier(world.deps)(token);
const isRefusedToken = (token: string) => assert.rejects(verify(token), { code: "unauthorized" });
const isPassword = (text: string) => Password.safeParse(text).success;

async function signed(header: object, claims: object) {
  const { current } = await signingKeys(world.deps);
  const seconds = Math.floor(Date.now() / 1_000);
  const usual = {
    sub: "a",
    sid: "b",
    iss: world.deps.publicUrl,
    aud: "signalbox",
    iat: seconds,
    exp: seconds + 60,
  };
  return new SignJWT({ ...usual, ...claims })
    .setProtectedHeader({ alg: "EdDSA", kid: current.kid, typ: "at+jwt", ...header })
    .sign(current.key);
}

function keyOf(secret: string): Buffer {
  const bits = [...secret]
    .map((char) => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(char).toString(2).padStart(5, "0"))
    .join("");
  return Buffer.from(bits.match(/.{8}/g)!.map((byte) => Number.parseInt(byte, 2)));
}

async function withFactor() {
  const person = await someone();
  const { secret } = await person.me.auth.secondFactor.setUp({ password: phrase });
  const key = keyOf(secret);
  const { recoveryCodes } = await person.me.auth.secondFactor.confirm({
    code: codeAt(key, stepAt(new Date())),
  });
  return { ...person, key, recoveryCodes };
}

const documented = (words: RegExp) => async () => assert.match(page, words);

async function fillsUp() {
  const { signIn } = await someone();
  for (let n = 0; n < 10; n += 1) await assert.rejects(signIn("wrong"), refused("unauthorized"));
  await assert.rejects(signIn(), refused("rate_limited"));
}

async function changes() {
  const { me, signIn } = await someone();
  const other = await signIn();
  await assert.rejects(
    me.auth.password.change({ current: "wrong", password: "the next phrase" }),
    refused("forbidden"),
  );
  await me.auth.password.change({ current: phrase, password: "the next phrase" });
  await signIn("the next phrase");
  await assert.rejects(
    world.guest().auth.session.refresh({ refreshToken: other.refreshToken }),
    refused("unauthorized"),
  );
}

const cases: Record<string, [title: string, run: () => Promise<unknown>]> = {
  "6.1.1": [
    "how guessing is slowed is documented",
    documented(/Guessing \(6\.1\.1\)\. A login may fail 10 times/),
  ],
  "6.1.2": ["words of this platform are documented", documented(/\(6\.1\.2\)[^.]*: signalbox\./)],
  "6.1.3": ["the ways in are documented", documented(/Ways in \(6\.1\.3\)/)],
  "6.2.1": ["nine characters are too few", async () => assert.ok(!isPassword("vUq3-ztbn"))],
  "6.2.2": ["a password can be changed", changes],
  "6.2.3": ["changing it needs the present one", changes],
  "6.2.4": [
    "common passwords are refused, with what people put behind them",
    async () => {
      for (const bad of [
        "password123",
        "qwertyuiop",
        "1234567890",
        "dragon2024!",
        "michael1990",
        "iloveyou123",
      ])
        assert.ok(!isPassword(bad), bad);
    },
  ],
  "6.2.5": [
    "any characters will do",
    async () => {
      for (const good of [
        "only lower letters",
        "ONLYUPPERLETTERSXY",
        "4820 5917 3364",
        "пароль из слов",
        "🦊🐙🦉🐝🦋🐢🐬🦔🦚🦩",
      ])
        assert.ok(isPassword(good), good);
    },
  ],
  "6.2.8": [
    "neither case nor length is changed",
    async () => {
      const { signIn } = await someone();
      for (const near of [phrase.toUpperCase(), `${phrase} `, phrase.slice(0, -1)])
        await assert.rejects(signIn(near), refused("unauthorized"));
    },
  ],
  "6.2.9": ["512 characters are taken", async () => assert.ok(isPassword("ab cd efgh".repeat(51)))],
  "6.2.10": [
    "nothing says when a password ends",
    async () => assert.ok(!/password_(expires|changed)_at/.test(await columns())),
  ],
  "6.2.11": ["words of this platform are refused", async () => assert.ok(isCommonPassword("Signalbox2026"))],
  "6.2.12": ["leaked passwords are refused", async () => assert.ok(isCommonPassword("trustno1!!"))],
  "6.3.1": ["the eleventh guess is refused", fillsUp],
  "6.3.2": [
    "a new install has no account",
    async () => {
      const empty = await testWorld();
      const [row] = await empty.deps.sql`select count(*)::int as n from credentials`;
      await empty.close();
      assert.equal(row!.n, 0);
    },
  ],
  "6.3.3": [
    "where operators ask for it, nobody signs in or stays signed in without a second factor",
    async () => {
      const live = fixedLive({});
      const strict = await testWorld({ deps: { live } });
      const ann = { login: "ann", password: phrase };
      const { session, secondFactor, account } = strict.guest().auth;
      try {
        const made = await account.register({ handle: "ann", email: "ann@example.test", password: phrase });
        await assert.rejects(secondFactor.enrol(ann), refused("forbidden"));
        live.set({ numbers: { "auth.secondFactor": { value: 1 } } });
        await session.create(ann);
        await strict.deps.sql`update credentials set role = 'moderator'`;
        await assert.rejects(session.create(ann), refused("forbidden"));
        await strict.deps.sql`update credentials set role = 'user'`;
        live.set({ numbers: { "auth.secondFactor": { value: 2 } } });
        await assert.rejects(session.create(ann), refused("forbidden"));
        await assert.rejects(session.refresh({ refreshToken: made.refreshToken }), refused("unauthorized"));
        await assert.rejects(createAccessVerifier(strict.deps)(made.accessToken), { code: "unauthorized" });

        await assert.rejects(secondFactor.enrol({ ...ann, password: "wrong" }), refused("unauthorized"));
        const key = keyOf((await secondFactor.enrol(ann)).secret);
        const code = (after: number) => codeAt(key, stepAt(new Date()) + after);
        await assert.rejects(secondFactor.confirmEnrol({ ...ann, code: "000000" }), refused("invalid"));
        assert.equal((await secondFactor.confirmEnrol({ ...ann, code: code(0) })).recoveryCodes.length, 10);
        await assert.rejects(secondFactor.enrol(ann), refused("conflict"));
        await assert.rejects(session.create(ann), /code is needed/);
        const { accessToken, refreshToken } = await session.create({ ...ann, code: code(1) });
        await session.refresh({ refreshToken });
        const me = strict.as(await createAccessVerifier(strict.deps)(accessToken));
        await assert.rejects(me.auth.secondFactor.remove({ password: phrase }), refused("forbidden"));
      } finally {
        await strict.close();
      }
    },
  ],
  "6.3.4": [
    "no other procedure answers an access token",
    async () => {
      const opening = Object.entries(appRouter._def.procedures)
        .filter(([, procedure]) => JSON.stringify(shapeOf(procedure)).includes("accessToken"))
        .map(([name]) => name);
      assert.deepEqual(opening.sort(), [
        "auth.account.register",
        "auth.session.create",
        "auth.session.refresh",
      ]);
    },
  ],
  "6.3.8": [
    "known and unknown are refused in one way",
    async () => {
      const { handle } = await someone();
      const words = new Set<string>();
      for (const login of [handle, "nobody_at_all", "nobody@example.test"])
        await world
          .guest()
          .auth.session.create({ login, password: "wrong" })
          .catch((error) => words.add(error.cause.message));
      assert.equal(words.size, 1);
      const forgot = world.guest().auth.password.forgot;
      assert.equal(
        await forgot({ email: `${handle}@example.test` }),
        await forgot({ email: "no@example.test" }),
      );
    },
  ],
  "6.4.1": [
    "mailed links end soon",
    async () => assert.ok(linkMs.reset <= 3_600_000 && linkMs.verify <= 86_400_000),
  ],
  "6.4.2": [
    "there is no hint and no question",
    async () => assert.ok(!/hint|question/.test(await columns())),
  ],
  "6.4.3": [
    "a reset password does not open an account with a second factor",
    async () => {
      const { handle, signIn } = await withFactor();
      await world.guest().auth.password.forgot({ email: `${handle}@example.test` });
      await world.settle();
      const { items } = await listMailbox(
        ctxOf(world.deps, { kind: "operator", id: "op", name: "Op", role: "admin" }) as AsOperator,
        {},
      );
      const mail = items.find(
        ({ to, subject }) => to === `${handle}@example.test` && /^Choose/.test(subject),
      );
      const token = /sbm_[\w-]+/.exec(mail!.text)![0];
      await world.guest().auth.password.reset({ token, password: "the next phrase" });
      await assert.rejects(signIn("the next phrase"), /code is needed/);
    },
  ],
  "6.5.1": [
    "a code and a recovery code are taken once",
    async () => {
      const { signIn, key, recoveryCodes } = await withFactor();
      const code = codeAt(key, stepAt(new Date()) + 1);
      for (const once of [code, recoveryCodes[0]!]) {
        await signIn(phrase, once);
        await assert.rejects(signIn(phrase, once), refused("unauthorized"));
      }
    },
  ],
  "6.5.2": [
    "recovery codes have 112 bits or more and are kept as hashes",
    async () => {
      const { recoveryCodes } = await withFactor();
      assert.ok(recoveryCodes.every((code) => code.replaceAll("-", "").length * 5 >= 112));
      const [row] = await world.deps.sql`select octet_length(hash) as n from recovery_codes limit 1`;
      assert.equal(row!.n, 32);
    },
  ],
  "6.5.3": [
    "no two seeds and codes are alike",
    async () => {
      const { recoveryCodes } = await withFactor();
      const { recoveryCodes: others } = await withFactor();
      assert.equal(new Set([...recoveryCodes, ...others]).size, 20);
    },
  ],
  "6.5.4": [
    "recovery codes have far more than 20 bits",
    async () => assert.ok((await withFactor()).recoveryCodes[0]!.length > 20),
  ],
  "6.5.5": ["a code by time is for thirty seconds", async () => assert.equal(stepSeconds, 30)],
  "7.1.1": ["how long sessions last is documented", documented(/Sessions \(7\.1\.1\)/)],
  "7.1.2": [
    "how many sessions there may be is documented",
    documented(/Sessions at once \(7\.1\.2\): any number/),
  ],
  "7.2.1": ["a token is verified here, by its signature", () => isRefusedToken("e30.e30.e30")],
  "7.2.2": [
    "each session has tokens of its own",
    async () => {
      const { signIn } = await someone();
      const [first, second] = [await signIn(), await signIn()];
      assert.notEqual(first.accessToken, second.accessToken);
      assert.notEqual(first.refreshToken, second.refreshToken);
    },
  ],
  "7.2.3": [
    "a refresh token has a MAC of 128 bits over ids that are no secret",
    async () => {
      const { refreshToken } = await someone();
      assert.equal(Buffer.from(refreshToken.slice(4), "base64url").length, 36 + 16);
    },
  ],
  "7.2.4": [
    "signing in makes a new session",
    async () => {
      const { signIn, me } = await someone();
      await signIn();
      assert.equal((await me.auth.session.list({})).items.length, 2);
    },
  ],
  "7.3.1": [
    "a session that is not used ends",
    async () => {
      assert.equal(refreshMs, 7 * 86_400_000);
      const { refreshToken, user } = await someone();
      await world.deps.sql`update sessions set expires_at = now() where user_id = ${user.id}`;
      await assert.rejects(world.guest().auth.session.refresh({ refreshToken }), refused("unauthorized"));
    },
  ],
  "7.3.2": [
    "however it is used, a session ends after 90 days",
    async () => {
      assert.equal(sessionMs, 90 * 86_400_000);
      const { refreshToken, user } = await someone();
      await world.deps.sql`
        update sessions set created_at = now() - interval '90 days' - interval '1 second' where user_id = ${user.id}`;
      const next = await world.guest().auth.session.refresh({ refreshToken });
      await assert.rejects(
        world.guest().auth.session.refresh({ refreshToken: next.refreshToken }),
        refused("unauthorized"),
      );
    },
  ],
  "7.4.1": [
    "after signing out neither token is taken",
    async () => {
      const { accessToken, refreshToken } = await someone();
      await world.guest().auth.session.end({ refreshToken });
      await isRefusedToken(accessToken);
      await assert.rejects(world.guest().auth.session.refresh({ refreshToken }), refused("unauthorized"));
    },
  ],
  "7.4.2": [
    "suspending ends every session",
    async () => {
      const { accessToken, user, me: _ } = await someone();
      await suspendAccount(
        { ...world.deps, actor: { kind: "job", name: "t" }, userAgent: "" } as never,
        user.id,
        "x",
      );
      await isRefusedToken(accessToken);
    },
  ],
  "7.4.3": ["a changed password ends the other sessions", changes],
  "7.4.5": [
    "an account's sessions can be ended by others, all at once",
    async () => {
      const { accessToken, me } = await someone();
      await me.auth.session.endAll();
      await isRefusedToken(accessToken);
    },
  ],
  "7.5.1": [
    "a second factor needs the password again",
    async () => {
      const { me } = await withFactor();
      await assert.rejects(me.auth.secondFactor.remove({ password: "wrong" }), refused("forbidden"));
    },
  ],
  "7.5.2": [
    "whoever signed in a while ago ends other sessions with the password",
    async () => {
      const { me, actor, user, signIn } = await someone();
      const others = async () => (await me.auth.session.list({})).items.filter(({ current }) => !current);
      await signIn();
      await signIn();
      // Who has just signed in is known.
      await me.auth.session.delete({ id: (await others())[0]!.id });
      await world.deps.sql`
        update sessions set created_at = now() - interval '16 minutes' where user_id = ${user.id}`;
      const [other] = await others();
      for (const ending of [me.auth.session.delete({ id: other!.id }), me.auth.session.endAll()])
        await assert.rejects(ending, /password is needed/);
      await assert.rejects(me.auth.session.endAll({ password: "wrong" }), refused("forbidden"));
      assert.equal((await others()).length, 1);
      await me.auth.session.delete({ id: other!.id, password: phrase });
      assert.equal((await others()).length, 0);
      // His own he ends as he likes.
      await me.auth.session.delete({ id: actor.sessionId });
    },
  ],
  "8.1.1": ["who may what is documented", documented(/Who may what \(8\.1\.1/)],
  "8.1.2": ["which fields are whose is documented", documented(/8\.1\.2\)\. Procedures are/)],
  "8.2.1": [
    "a user is no moderator, a guest no user",
    async () => {
      const { me } = await someone();
      await assert.rejects(me.moderation.report.list({}), refused("forbidden"));
      await assert.rejects(world.guest().auth.session.list({}), refused("unauthorized"));
    },
  ],
  "8.2.2": [
    "nobody ends another's session",
    async () => {
      const [mine, theirs] = [await someone(), await someone()];
      await assert.rejects(mine.me.auth.session.delete({ id: theirs.actor.sessionId }), refused("not_found"));
      await verify(theirs.accessToken);
    },
  ],
  "8.2.3": [
    "a role can not be brought along when registering",
    async () => {
      const input = { handle: "asvs_role", email: "r@example.test", password: phrase, role: "moderator" };
      const { user } = await world.guest().auth.account.register(input);
      assert.equal((await readAccountState(world.deps as never, user.id)).role, "user");
    },
  ],
  "8.3.1": [
    "a role counts where it is signed only",
    async () => {
      const { accessToken } = await someone();
      const [head, body, signature] = accessToken.split(".");
      const claims = { ...JSON.parse(Buffer.from(body!, "base64url").toString()), role: "moderator" };
      await isRefusedToken(
        `${head}.${Buffer.from(JSON.stringify(claims)).toString("base64url")}.${signature}`,
      );
    },
  ],
  "9.1.1": [
    "a changed token is refused",
    async () => {
      const token = await signAccess(world.deps, "a", "b");
      await verify(token);
      await isRefusedToken(token.slice(0, -6));
    },
  ],
  "9.1.2": [
    "only EdDSA is taken, none is not",
    async () => {
      const [, body] = (await signAccess(world.deps, "a", "b")).split(".");
      const head = Buffer.from('{"alg":"none","typ":"at+jwt"}').toString("base64url");
      await isRefusedToken(`${head}.${body}.`);
    },
  ],
  "9.1.3": [
    "a key is ours, whatever a token brings along",
    async () => isRefusedToken(await signed({ kid: "another", jku: "http://127.0.0.1:1/" }, {})),
  ],
  "9.2.1": [
    "outside its time a token is refused",
    async () => {
      const seconds = Math.floor(Date.now() / 1_000);
      await isRefusedToken(await signed({}, { nbf: seconds + 60 }));
      await isRefusedToken(await signed({}, { iat: seconds - accessSeconds, exp: seconds - 60 }));
    },
  ],
  "9.2.2": [
    "a token of another type is refused",
    async () => isRefusedToken(await signed({ typ: "JWT" }, {})),
  ],
  "9.2.3": ["a token for others is refused", async () => isRefusedToken(await signed({}, { aud: "others" }))],
  "9.2.4": [
    "what we sign names its audience",
    async () => {
      const [, body] = (await signAccess(world.deps, "a", "b")).split(".");
      assert.equal(JSON.parse(Buffer.from(body!, "base64url").toString()).aud, "signalbox");
    },
  ],
};

async function columns(): Promise<string> {
  const rows = await world.deps.sql`
    select table_name || '.' || column_name as name from information_schema.columns where table_schema = 'public'`;
  return rows.map(({ name }) => name).join(" ");
}

function shapeOf(procedure: unknown): unknown {
  const { output } = (procedure as { _def: { output?: { shape?: object } } })._def;
  return Object.keys(output?.shape ?? {});
}

for (const [clause, [title, run]] of Object.entries(cases))
  test(`ASVS ${clause}: ${title}`, async () => void (await run()));

test("docs/asvs.md says of every clause that it has a case here, or why it has none", () => {
  const isTested = (how: string) => /^Tested(, over HTTP too)?$/.test(how);
  const rows = [...page.matchAll(/^\| (\d+\.\d+\.\d+) \| ([123]) \| (.+) \|$/gm)];
  // So many has each chapter: V6 47, V7 19, V8 13, V9 7.
  assert.deepEqual(
    ["6", "7", "8", "9"].map(
      (chapter) => rows.filter(([, clause]) => clause!.startsWith(`${chapter}.`)).length,
    ),
    [47, 19, 13, 7],
  );
  for (const [, clause, , how] of rows)
    assert.ok(isTested(how!) ? cases[clause!] : /^Left out: ./.test(how!) && !cases[clause!], clause);
  const tested = rows.filter(([, , , how]) => isTested(how!)).map(([, clause]) => clause!);
  assert.deepEqual(Object.keys(cases).sort(), tested.sort());
});

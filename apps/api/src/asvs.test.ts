// What the front door itself owes to OWASP ASVS 5.0, a case a clause, and bad input by its name. Clauses that show without HTTP
// have their case in packages/modules/src/auth/asvs.test.ts; docs/asvs.md lists both.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, describe, test } from "node:test";
import { mintSignInToken } from "@signalbox/control/sign-in";
import { createHealth } from "@signalbox/core/health";
import { createMetrics } from "@signalbox/core/metrics";
import {
  badToken,
  badTokens,
  type OwnToken,
  testWorld,
  tokenLike,
  type World,
} from "@signalbox/modules/testing";
import type { FastifyInstance, LightMyRequestResponse } from "fastify";
import { createGatewayApp, createOperatorApp } from "./app.ts";

const health = createHealth({ version: "test", serviceId: "test" });
let world: World;
let app: FastifyInstance;
before(async () => {
  world = await testWorld();
  app = createGatewayApp(world.deps, health);
});
after(async () => {
  await app.close();
  await world.close();
});

const phrase = "a phrase long enough";
type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
type More = { token?: string; payload?: object; headers?: Record<string, string> };
const call = (method: Method, path: string, { token, payload, headers }: More = {}) =>
  app.inject({
    method,
    url: `/v1${path}`,
    ...(payload ? { payload } : {}),
    headers: { ...headers, ...(token ? { authorization: `Bearer ${token}` } : {}) },
  });

let people = 0;
async function someone() {
  people += 1;
  const handle = `door_${people}`;
  const email = `${handle}@example.test`;
  const made = await call("POST", "/auth/register", { payload: { handle, email, password: phrase } });
  assert.equal(made.statusCode, 201, made.body);
  const { accessToken, refreshToken, user } = made.json();
  const signIn = (password = phrase) => call("POST", "/auth/login", { payload: { login: handle, password } });
  const { sid }: { sid: string } = JSON.parse(String(Buffer.from(accessToken.split(".")[1], "base64url")));
  return { handle, email, id: user.id as string, sid, token: accessToken as string, refreshToken, signIn };
}
const statusOf = async (token: string) => (await call("GET", "/me", { token })).statusCode;
const refresh = (refreshToken: string) => call("POST", "/auth/refresh", { payload: { refreshToken } });

function refused(answer: LightMyRequestResponse, status: number, code: string, field?: string) {
  assert.equal(answer.statusCode, status, answer.body.slice(0, 300));
  assert.match(String(answer.headers["content-type"]), /^application\/problem\+json/);
  const problem = answer.json();
  assert.deepEqual([problem.status, problem.code], [status, code]);
  assert.ok(problem.type && problem.title && problem.detail);
  assert.equal(problem.requestId, answer.headers["x-request-id"]);
  if (status === 401) assert.match(String(answer.headers["www-authenticate"]), /^Bearer/);
  if (status === 429) assert.ok(Number(answer.headers["retry-after"]) >= 1);
  if (field) assert.ok(problem.errors.some((error: { field: string }) => error.field === field));
}

/** All of an answer that an attacker could compare, without what differs each time. */
function seen({ statusCode, headers, body }: LightMyRequestResponse) {
  const { date: _, "x-request-id": id, traceparent: __, ...rest } = headers;
  return { statusCode, headers: rest, body: body.replaceAll(String(id), "ID") };
}

async function operators(publicUrl: string) {
  const deps = { ...world.deps, publicUrl };
  const { signals, instance } = deps;
  const metrics = createMetrics({ signals, instance });
  const door = createOperatorApp(deps, { health, metrics, operatorToken: undefined });
  const payload = { token: mintSignInToken(deps.secret, { ttlMs: 60_000 }) };
  const opened = await door.inject({ method: "POST", url: "/operator/v1/session", payload });
  await door.close();
  assert.ok(opened.statusCode < 300, opened.body);
  return { opened, cookie: String(opened.headers["set-cookie"]) };
}

/** Of V6 to V9: docs/asvs.md names them. */
const cases: Record<string, [title: string, run: () => Promise<unknown>]> = {
  "6.2.1": [
    "nine characters are 422, the field named",
    async () =>
      refused(
        await call("POST", "/auth/register", {
          payload: { handle: "short_one", email: "s@example.test", password: "vUq3-ztbn" },
        }),
        422,
        "invalid",
        "password",
      ),
  ],
  "6.2.4": [
    "a common password is 422, and not repeated in the answer",
    async () => {
      const payload = { handle: "common_one", email: "c@example.test", password: "iloveyou123" };
      const answer = await call("POST", "/auth/register", { payload });
      refused(answer, 422, "invalid", "password");
      assert.ok(!answer.body.includes(payload.password));
    },
  ],
  "6.3.1": [
    "the eleventh guess is 429 with the time to wait, and so is the right password",
    async () => {
      const { signIn } = await someone();
      for (let n = 0; n < 10; n += 1) refused(await signIn("wrong"), 401, "unauthorized");
      refused(await signIn("wrong"), 429, "rate_limited");
      refused(await signIn(), 429, "rate_limited");
    },
  ],
  "6.3.8": [
    "known and unknown get the same answer, header by header: signing in, forgotten passwords, registering",
    async () => {
      const { handle, email, signIn } = await someone();
      const wrong = seen(await signIn("wrong"));
      for (const login of ["nobody_here", "nobody@example.test"])
        assert.deepEqual(
          seen(await call("POST", "/auth/login", { payload: { login, password: "wrong" } })),
          wrong,
        );
      const forgot = (address: string) =>
        call("POST", "/auth/password/forgot", { payload: { email: address } });
      assert.deepEqual(seen(await forgot(email)), seen(await forgot("nobody@example.test")));
      const again = { handle: `${handle}_b`, email, password: phrase };
      assert.equal((await call("POST", "/auth/register", { payload: again })).statusCode, 201);
    },
  ],
  "7.2.1": [
    "neither an invented token nor another scheme opens anything",
    async () => {
      refused(await call("GET", "/me", { token: "e30.e30.e30" }), 401, "unauthorized");
      const { token } = await someone();
      for (const authorization of [`Basic ${token}`, token, "Bearer", `Bearer ${token} ${token}`])
        refused(await call("GET", "/me", { headers: { authorization } }), 401, "unauthorized");
    },
  ],
  "7.4.1": [
    "after signing out both tokens are 401",
    async () => {
      const { token, refreshToken } = await someone();
      assert.equal(await statusOf(token), 200);
      const out = await call("POST", "/auth/logout", { payload: { refreshToken } });
      assert.equal(out.statusCode, 204);
      refused(await call("GET", "/me", { token }), 401, "unauthorized");
      refused(await refresh(refreshToken), 401, "unauthorized");
    },
  ],
  "7.4.3": [
    "a changed password makes the other sessions 401 and keeps this one",
    async () => {
      const { token, signIn } = await someone();
      const other = (await signIn()).json();
      const payload = { current: phrase, password: "the next phrase" };
      assert.equal((await call("POST", "/auth/password", { token, payload })).statusCode, 204);
      assert.equal(await statusOf(token), 200);
      refused(await call("GET", "/me", { token: other.accessToken }), 401, "unauthorized");
      refused(await refresh(other.refreshToken), 401, "unauthorized");
      refused(await signIn(), 401, "unauthorized");
    },
  ],
  "7.4.5": [
    "signing out everywhere makes every token of every session 401",
    async () => {
      const { token, refreshToken, signIn } = await someone();
      const other = (await signIn()).json();
      assert.equal((await call("POST", "/auth/logout-all", { token })).statusCode, 204);
      for (const access of [token, other.accessToken])
        refused(await call("GET", "/me", { token: access }), 401, "unauthorized");
      for (const each of [refreshToken, other.refreshToken])
        refused(await refresh(each), 401, "unauthorized");
    },
  ],
  "7.5.1": [
    "address, password and second factor take the password, and a wrong one is 403",
    async () => {
      const { token } = await someone();
      for (const [path, payload] of [
        ["/auth/email/change", { email: "next@example.test", password: "wrong" }],
        ["/auth/password", { current: "wrong", password: "the next phrase" }],
        ["/auth/second-factor", { password: "wrong" }],
      ] as const)
        refused(await call("POST", path, { token, payload }), 403, "forbidden");
    },
  ],
  "8.2.1": [
    "guests are 401 with the scheme named, users before a moderator's door 403",
    async () => {
      for (const path of ["/me", "/feed", "/auth/sessions", "/auth/activity"]) {
        const answer = await call("GET", path);
        refused(answer, 401, "unauthorized");
        assert.equal(answer.headers["www-authenticate"], "Bearer");
      }
      const { token } = await someone();
      refused(await call("GET", "/moderation/reports", { token }), 403, "forbidden");
    },
  ],
  "8.2.2": [
    "another's session is 404, and goes on",
    async () => {
      const [mine, theirs] = [await someone(), await someone()];
      refused(await call("DELETE", `/auth/sessions/${theirs.sid}`, { token: mine.token }), 404, "not_found");
      assert.equal(await statusOf(theirs.token), 200);
    },
  ],
  "8.2.3": [
    "fields that no input names change nothing and come back in no answer",
    async () => {
      const { token, id, email } = await someone();
      const payload = { bio: "new", id: "another", role: "moderator", email: "x@example.test", counts: {} };
      const answer = await call("PATCH", "/me", { token, payload });
      assert.equal(answer.statusCode, 200, answer.body);
      assert.equal(answer.json().id, id);
      assert.ok(
        !/role|email|password/.test(Object.keys(answer.json()).join(" ")) && !answer.body.includes(email),
      );
      refused(await call("GET", "/moderation/reports", { token }), 403, "forbidden");
    },
  ],
};

/** Clauses of other chapters that a front door with sessions owes. */
const besides: typeof cases = {
  "14.2.1": [
    "a token in an address opens nothing",
    async () => {
      const { token } = await someone();
      for (const name of ["access_token", "token", "authorization", "bearer"])
        refused(await call("GET", `/me?${name}=${token}`), 401, "unauthorized");
      refused(await call("GET", "/me", { headers: { cookie: `sb_session=${token}` } }), 401, "unauthorized");
    },
  ],
  "14.3.2": [
    "nobody keeps what an account is told",
    async () => {
      const { token, refreshToken, signIn } = await someone();
      for (const answer of [
        await signIn(),
        await signIn("wrong"),
        await refresh(refreshToken),
        await call("GET", "/auth/sessions", { token }),
        await call("GET", "/auth/activity", { token }),
        await call("POST", "/auth/second-factor", { token, payload: { password: phrase } }),
      ])
        assert.equal(answer.headers["cache-control"], "no-store", answer.body.slice(0, 100));
      assert.match(
        String((await call("GET", "/me", { token })).headers["cache-control"]),
        /private|no-store/,
      );
      assert.equal((await signIn()).headers["set-cookie"], undefined);
    },
  ],
  "3.3.1": [
    "over https the operators' cookie goes over https alone, and no other host can set it",
    async () => {
      const { cookie } = await operators("https://api.example.com");
      assert.match(cookie, /^__Host-sb_session=[^;]+; Path=\/;.*; Secure(;|$)/);
      assert.doesNotMatch(cookie, /Domain/i);
      // On a laptop there is no https, and the cookie would never come back.
      assert.doesNotMatch((await operators("http://127.0.0.1:8080")).cookie, /Secure/);
    },
  ],
  "3.3.2": [
    "no other site's page sends the operators' cookie",
    async () => {
      const { cookie, opened } = await operators("https://api.example.com");
      assert.match(cookie, /^__Host-sb_session=[^;]+; Path=\/;.*SameSite=Strict/);
      assert.equal(opened.headers["cache-control"], "no-store");
    },
  ],
  "3.3.4": [
    "no script reads the operators' cookie",
    async () => assert.match((await operators("https://api.example.com")).cookie, /; HttpOnly(;|$)/),
  ],
};

for (const [clause, [title, run]] of Object.entries({ ...cases, ...besides }))
  test(`ASVS ${clause}: ${title}`, async () => void (await run()));

test("docs/asvs.md says which clauses have a case here", async () => {
  const page = await readFile(new URL("../../../docs/asvs.md", import.meta.url), "utf8");
  const rows = [...page.matchAll(/^\| (\d+\.\d+\.\d+) \| \d \| Tested, over HTTP too \|$/gm)];
  assert.deepEqual(rows.map(([, clause]) => clause!).sort(), [...Object.keys(cases), ...tokenClauses].sort());
  for (const clause of Object.keys(besides)) assert.ok(page.includes(clause), clause);
});

// What the names below are cases of.
const tokenClauses = ["8.3.1", "9.1.1", "9.1.2", "9.1.3", "9.2.1", "9.2.2", "9.2.3"];

describe("ASVS 8.3.1 and 9.1.1 to 9.2.3: a token is 401 at both doors", () => {
  let whose: OwnToken;
  before(async () => {
    const { id, sid, refreshToken } = await someone();
    whose = { deps: world.deps, sub: id, sid, refreshToken };
  });

  test("but as we sign it", async () => assert.equal(await statusOf(await tokenLike(whose)), 200));

  for (const name of Object.keys(badTokens))
    test(name, async () => {
      const token = await badToken(name, whose);
      const answer = await call("GET", "/me", { token });
      refused(answer, 401, "unauthorized");
      assert.equal(answer.headers["www-authenticate"], 'Bearer error="invalid_token"');
      assert.ok(token.length < 4 || !answer.body.includes(token), "the answer repeats the token");
      const headers = { authorization: `Bearer ${token}` };
      const trpc = await app.inject({ url: "/trpc/users.me.read", headers });
      assert.deepEqual([trpc.statusCode, trpc.json().error.data.code], [401, "unauthorized"]);
    });
});

test("a replayed refresh token is 401 and ends its session; what it begot is 401 too", async () => {
  const { refreshToken, token } = await someone();
  const second = (await refresh(refreshToken)).json();
  const third = (await refresh(second.refreshToken)).json();
  assert.equal(await statusOf(third.accessToken), 200);
  refused(await refresh(refreshToken), 401, "unauthorized");
  refused(await refresh(third.refreshToken), 401, "unauthorized");
  for (const access of [token, second.accessToken, third.accessToken])
    refused(await call("GET", "/me", { token: access }), 401, "unauthorized");
});

test("a refresh token with one character changed is 401 and ends nothing", async () => {
  const { refreshToken } = await someone();
  const last = refreshToken.at(-2) === "A" ? "B" : "A";
  refused(await refresh(`${refreshToken.slice(0, -2)}${last}${refreshToken.at(-1)}`), 401, "unauthorized");
  assert.equal((await refresh(refreshToken)).statusCode, 200);
});

describe("a handle is 422 in every place that takes one", () => {
  let token: string;
  before(async () => {
    ({ token } = await someone());
  });
  const handles: Record<string, string> = {
    "one character too long": "a".repeat(31),
    "huge, within the limit of a body": "a".repeat(1_000_000),
    "too short": "ab",
    "with a Cyrillic letter that looks Latin (confusable)": "\u0430nn_door",
    "with a Kelvin sign, which becomes a k": "\u212aelvin",
    "with a dotless i": "\u0131nn_door",
    "in full-width letters": "\uff46\uff55\uff4c\uff4c",
    "with a mark that turns the direction (RLO)": "ann\u202edoor",
    "with an isolate that turns the direction (RLI)": "ann\u2067door",
    "with a zero-width space": "ann\u200bdoor",
    "with a zero-width joiner": "ann\u200ddoor",
    "with a soft hyphen": "ann\u00addoor",
    "with a byte order mark": "\ufeffann_door",
    "with a combining accent": "ann\u0301_door",
    "with a slash": "../ann",
    "with a space": "ann door",
  };
  for (const [name, handle] of Object.entries(handles))
    test(name, async () => {
      refused(await call("PATCH", "/me", { token, payload: { handle } }), 422, "invalid", "handle");
      const payload = { handle, email: "trick@example.test", password: phrase };
      refused(await call("POST", "/auth/register", { payload }), 422, "invalid", "handle");
      if (handle.length > 1_000) return;
      refused(await call("GET", `/users/${encodeURIComponent(handle)}`), 422, "invalid", "handle");
      refused(
        await call("PUT", `/users/${encodeURIComponent(handle)}/follow`, { token }),
        422,
        "invalid",
        "handle",
      );
    });

  test("larger than any body: 413", async () =>
    refused(
      await call("PATCH", "/me", { token, payload: { handle: "a".repeat(2_000_000) } }),
      413,
      "too_large",
    ));
});

const byStatus = (answers: LightMyRequestResponse[]) => Map.groupBy(answers, ({ statusCode }) => statusCode);

test("of many edits at once with one If-Match one is 200, the others 412", async () => {
  const { token, handle } = await someone();
  const { etag } = (await call("GET", `/users/${handle}`)).headers;
  const answers = await Promise.all(
    Array.from({ length: 8 }, (_, n) =>
      call("PATCH", "/me", { token, payload: { bio: `bio ${n}` }, headers: { "if-match": String(etag) } }),
    ),
  );
  const { 200: done = [], 412: stale = [] } = Object.fromEntries(byStatus(answers));
  assert.deepEqual([done.length, stale.length], [1, 7]);
  for (const answer of stale) refused(answer, 412, "stale");
  assert.equal((await call("GET", "/me", { token })).json().bio, done[0]!.json().bio);
});

test("of many who take one handle at once one is 200, the others 409", async () => {
  const all = await Promise.all(Array.from({ length: 6 }, someone));
  const answers = await Promise.all(
    all.map(({ token }) => call("PATCH", "/me", { token, payload: { handle: "the_one_door" } })),
  );
  const { 200: done = [], 409: late = [] } = Object.fromEntries(byStatus(answers));
  assert.deepEqual([done.length, late.length], [1, 5]);
  for (const answer of late) refused(answer, 409, "conflict");
  const { id } = (await call("GET", "/users/the_one_door")).json();
  assert.equal(id, done[0]!.json().id);
  for (const { token, handle, id: own } of all)
    assert.equal((await call("GET", "/me", { token })).json().handle, own === id ? "the_one_door" : handle);
});

test("counts are right after many follow, and follow again, and stop, at once", async () => {
  const star = await someone();
  const fans = await Promise.all(Array.from({ length: 6 }, someone));
  const path = `/users/${star.handle}/follow`;
  const follow = (token: string) => call("PUT", path, { token });
  const first = await Promise.all(fans.flatMap(({ token }) => [follow(token), follow(token), follow(token)]));
  assert.deepEqual([...byStatus(first).keys()], [204]);
  const followers = async () =>
    (await call("GET", `/users/${star.handle}`, { token: star.token })).json().counts.followers;
  assert.equal(await followers(), 6);
  const [one, two] = fans;
  await Promise.all(
    [one!, two!].flatMap(({ token }) => [call("DELETE", path, { token }), call("DELETE", path, { token })]),
  );
  assert.equal(await followers(), 4);
  // Whichever of the two came last, the count says what the list says.
  await Promise.all(
    fans.flatMap(({ token }, n) => (n % 2 ? [follow(token), call("DELETE", path, { token })] : [])),
  );
  const { items } = (await call("GET", `/users/${star.handle}/followers`, { token: star.token })).json();
  assert.equal(await followers(), items.length);
  refused(await call("PUT", path, { token: star.token }), 422, "invalid");
});

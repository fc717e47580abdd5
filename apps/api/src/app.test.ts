import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { fixedLive } from "@signalbox/control/live";
import { mintSignInToken } from "@signalbox/control/sign-in";
import { createHealth } from "@signalbox/core/health";
import { createMetrics } from "@signalbox/core/metrics";
import { createGateway, type Gateway } from "@signalbox/gateway";
import type { Stage } from "@signalbox/gateway/pipeline";
import { testWorld, type World } from "@signalbox/modules/testing";
import { nameError } from "@signalbox/modules/trpc";
import type { FastifyInstance } from "fastify";
import { createGatewayApp, createOperatorApp } from "./app.ts";

const live = fixedLive();
let world: World;
let app: FastifyInstance;
let gateway: Gateway;
/** The sides of canaries that calls met. */
const arms: string[] = [];

before(async () => {
  world = await testWorld({ deps: { live } });
  const { redis, log, instance } = world.deps;
  gateway = createGateway({ live, redis, log, instance, nameError });
  const watched: Stage = (call, next) =>
    gateway(call, () => {
      if (call.arm) arms.push(`${call.arm.side}${call.arm.asked ? ", asked for" : ""}`);
      return next();
    });
  const deps = { ...world.deps, gateway: watched };
  app = createGatewayApp(deps, createHealth({ version: "test", serviceId: "test" }));
});
after(async () => {
  await app.close();
  await gateway.close();
  await world.close();
});

type Method = "GET" | "POST" | "PUT" | "DELETE";
const call = (method: Method, url: string, token?: string, payload?: object) =>
  app.inject({
    method,
    url,
    ...(payload ? { payload } : {}),
    headers: token ? { authorization: `Bearer ${token}` } : {},
  });

async function register(handle: string): Promise<string> {
  const answer = await call("POST", "/v1/auth/register", undefined, {
    handle,
    email: `${handle}@example.test`,
    password: "a phrase of my own",
  });
  assert.equal(answer.statusCode, 201, answer.body);
  return answer.json().accessToken;
}

test("a tester meets a canary by header or cookie, or is kept from it; nobody else can choose", async () => {
  const id = "01900000-0000-7000-8000-00000000c0de";
  const steps = [{ weight: 0.001, bakeSeconds: 60 }];
  const target = { kind: "switch" as const, key: "feed.post.read" };
  live.set({ canaries: { [id]: { id, target, steps, salt: "s", weight: 0.001 } } });
  const sideOf = async (headers: Record<string, string>) => {
    arms.length = 0;
    await app.inject({ method: "GET", url: `/v1/posts/${id}`, headers });
    return arms.join();
  };
  assert.equal(await sideOf({}), "stable");
  assert.equal(await sideOf({ "x-signalbox-canary": id }), "canary, asked for");
  assert.equal(await sideOf({ cookie: `signalbox_canary=${id}` }), "canary, asked for");
  assert.equal(
    await sideOf({ cookie: `theme=dark; signalbox_canary=${id}=stable; a=b` }),
    "stable, asked for",
  );
  assert.equal(
    await sideOf({ cookie: `signalbox_canary=${id}`, "x-signalbox-canary": `${id}=stable` }),
    "stable, asked for",
  );
  for (const wrong of ["01900000-0000-7000-8000-00000000dead", "canary", `${id}=canary`, ""])
    assert.equal(await sideOf({ cookie: `signalbox_canary=${wrong}` }), "stable");
  assert.equal(await sideOf({ cookie: `not_signalbox_canary=${id}` }), "stable");
  live.set({});
});

test("an off is aimed by what a call says of itself, and says itself what its callers get", async () => {
  const token = await register("aimed_at");
  const status = async (url: string, headers: Record<string, string>) =>
    (await app.inject({ method: "GET", url, headers })).statusCode;
  const aim = (attribute: string, is: "in" | "below", value: string) =>
    live.set({
      switches: { "feed.home.read": { state: "off", targets: [{ attribute, is, values: [value] }] } },
    });
  const own = { authorization: `Bearer ${token}` };
  type Case = [string, "in" | "below", string, Record<string, string>, Record<string, string>];
  const cases: Case[] = [
    ["region", "in", "DE", { "x-region": "DE" }, { "x-region": "FR" }],
    ["appVersion", "below", "2.10.0", { "x-app-version": "2.9.3" }, { "x-app-version": "2.10.1" }],
  ];
  for (const [attribute, is, value, met, unmet] of cases) {
    aim(attribute, is, value);
    assert.equal(await status("/v1/feed", { ...own, ...met }), 503, attribute);
    for (const other of [unmet, {}])
      assert.equal(await status("/v1/feed", { ...own, ...other }), 200, attribute);
  }
  aim("role", "in", "user");
  assert.equal(await status("/v1/feed", own), 503);
  aim("role", "in", "guest");
  assert.equal(await status("/v1/feed", own), 200);

  await call("POST", "/v1/posts", token, { text: "with counts" });
  await world.settle();
  const read = () => call("GET", "/v1/users/aimed_at/posts", token);
  assert.equal((await read()).headers.degraded, undefined);
  live.set({ switches: { feed: { state: "off", instead: "degrade" } } });
  const degraded = await read();
  assert.equal(degraded.statusCode, 200);
  assert.equal(degraded.headers.degraded, "counts, viewer");
  assert.equal(degraded.json().items[0].text, "with counts");
  live.set({});
});

test("the first path over REST: register, follow, post, read, delete", async () => {
  const [ann, bob] = [await register("ann"), await register("bob")];
  const followed = await call("PUT", "/v1/users/ann/follow", bob);
  assert.deepEqual([followed.statusCode, followed.body], [204, ""]);
  const posted = await call("POST", "/v1/posts", ann, { text: "hello" });
  assert.equal(posted.statusCode, 201);
  await world.settle();
  const feed = (await call("GET", "/v1/feed?limit=5", bob)).json();
  assert.deepEqual(feed, { items: [posted.json()], nextCursor: null });
  assert.equal((await call("DELETE", `/v1/posts/${posted.json().id}`, bob)).statusCode, 403);
  assert.equal((await call("DELETE", `/v1/posts/${posted.json().id}`, ann)).statusCode, 204);
  assert.equal((await call("GET", `/v1/posts/${posted.json().id}`)).statusCode, 404);
});

test("a switch that is off is answered 503 with the operator's message, in REST and in tRPC", async () => {
  const token = await register("cat");
  live.set({
    switches: { "feed.post.create": { state: "off", message: "Posting is paused.", reason: "never shown" } },
  });
  const rest = await call("POST", "/v1/posts", token, { text: "no" });
  assert.equal(rest.statusCode, 503);
  assert.match(String(rest.headers["content-type"]), /^application\/problem\+json/);
  assert.ok(Number(rest.headers["retry-after"]) >= 1);
  const { code, detail, requestId } = rest.json();
  assert.deepEqual(
    [code, detail, requestId],
    ["disabled", "Posting is paused.", rest.headers["x-request-id"]],
  );
  assert.ok(!rest.body.includes("never shown"));
  const trpc = await call("POST", "/trpc/feed.post.create", token, { text: "no" });
  assert.deepEqual(
    [trpc.statusCode, trpc.json().error.data.code, trpc.json().error.message],
    [503, "disabled", "Posting is paused."],
  );
  live.set({});
  assert.equal((await call("POST", "/v1/posts", token, { text: "yes" })).statusCode, 201);
});

test("who is not known is refused before anything is read: 401 with WWW-Authenticate", async () => {
  for (const token of [undefined, "nonsense", "a.b.c"]) {
    const answer = await call("POST", "/v1/posts", token, { wrong: true });
    assert.equal(answer.statusCode, 401);
    assert.match(String(answer.headers["www-authenticate"]), /^Bearer/);
  }
});

test("the keys that sign access tokens are published without their private half", async () => {
  const { keys } = (await call("GET", "/.well-known/jwks.json")).json();
  assert.equal(keys.length, 1);
  assert.deepEqual(Object.keys(keys[0]).sort(), ["alg", "crv", "kid", "kty", "use", "x"]);
});

test("health answers in the health+json form", async () => {
  for (const path of ["/livez", "/readyz"]) {
    const answer = await call("GET", path);
    assert.deepEqual(
      [answer.statusCode, answer.headers["content-type"], answer.json().status],
      [200, "application/health+json", "pass"],
    );
  }
});

test("an operator can sign in and turn things on again although everything is switched off", async () => {
  live.set({ switches: { "*": { state: "off" } } });
  const health = createHealth({ version: "test", serviceId: "test" });
  const { signals, instance } = world.deps;
  const metrics = createMetrics({ signals, instance });
  const { redis, log } = world.deps;
  const gateway = createGateway({ live, redis, log, instance });
  const operators = createOperatorApp(
    { ...world.deps, gateway },
    { health, metrics, operatorToken: "sbo_of_the_test" },
  );
  const link = mintSignInToken(world.deps.secret, { ttlMs: 60_000 });
  const session = await operators.inject({
    method: "POST",
    url: "/operator/v1/session",
    payload: { token: link },
  });
  assert.equal(session.statusCode, 200, session.body);
  const cookie = String(session.headers["set-cookie"]).split(";")[0]!;
  const switches = await operators.inject({ url: "/operator/v1/switches", headers: { cookie } });
  assert.equal(switches.statusCode, 200);
  const again = await operators.inject({
    method: "POST",
    url: "/operator/v1/session",
    payload: { token: link },
  });
  assert.equal(again.statusCode, 401);
  await operators.close();
  await gateway.close();
  live.set({});
});

test("what a post can not take is refused, not dropped", async () => {
  const token = await register("dan_strict");
  const refusedWith = async (payload: object) => (await call("POST", "/v1/posts", token, payload)).statusCode;
  assert.equal(await refusedWith({ text: "x", replyTo: "01a1fbcc-29d7-7778-8b6b-1f09df668aa0" }), 422);
  assert.equal(await refusedWith({ text: "half of a character: \ud800" }), 422);
});

test("a body that is nested too deep is the caller's fault, with an idempotency key too", async () => {
  const answer = await app.inject({
    method: "POST",
    url: "/v1/auth/login",
    headers: { "content-type": "application/json", "idempotency-key": "deep" },
    payload: `{"login":"x","password":"y","z":${'{"a":'.repeat(5_000)}1${"}".repeat(5_000)}}`,
  });
  assert.equal(answer.statusCode, 400, answer.body);
});

test("every answer carries what keeps browsers from misusing it; over https they are told to stay there", async () => {
  const health = createHealth({ version: "test", serviceId: "test" });
  const secure = createGatewayApp({ ...world.deps, publicUrl: "https://api.example.com" }, health);
  for (const [server, url] of [
    [app, "/livez"],
    [app, "/v1/nothing"],
    [app, "/v1/feed"],
    [app, "/trpc/nothing"],
    [app, "/v1/%zz"],
    [secure, "/livez"],
  ] as const) {
    const { headers } = await server.inject({ url });
    assert.equal(headers["x-content-type-options"], "nosniff", url);
    assert.equal(headers["content-security-policy"], "default-src 'none'; frame-ancestors 'none'");
    assert.equal(headers["referrer-policy"], "no-referrer");
    assert.equal(headers["cross-origin-resource-policy"], "same-origin");
    assert.equal(headers["cache-control"], "no-store");
    assert.equal(headers["strict-transport-security"], server === secure ? "max-age=31536000" : undefined);
    assert.equal(headers["x-powered-by"], undefined);
    assert.equal(headers.server, undefined);
  }
  const docs = String((await call("GET", "/v2/docs")).headers["content-security-policy"]);
  assert.match(docs, /script-src 'sha256-.*frame-ancestors 'none'/);
  await secure.close();
});

test("metrics and the deep check are for this machine, unless someone stands between", async () => {
  const { signals, instance } = world.deps;
  const operators = createOperatorApp(world.deps, {
    health: createHealth({ version: "test", serviceId: "test" }),
    metrics: createMetrics({ signals, instance }),
    operatorToken: "sbo_of_the_test",
  });
  const statusOf = async (url: string, headers: Record<string, string>, remoteAddress?: string) =>
    (await operators.inject({ url, headers, ...(remoteAddress ? { remoteAddress } : {}) })).statusCode;
  const token = { authorization: "Bearer sbo_of_the_test" };
  for (const url of ["/metrics", "/healthz"]) {
    assert.equal(await statusOf(url, {}), 200);
    assert.equal(await statusOf(url, {}, "203.0.113.7"), 401);
    assert.equal(await statusOf(url, { "x-forwarded-for": "127.0.0.1" }), 401);
    assert.equal(await statusOf(url, { forwarded: "for=127.0.0.1" }), 401);
    assert.equal(await statusOf(url, { ...token, "x-forwarded-for": "203.0.113.7" }), 200);
  }
  await operators.close();
});

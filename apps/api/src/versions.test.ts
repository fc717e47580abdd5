import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Validator } from "@seriousme/openapi-schema-validator";
import { ConfigError, readConfig } from "@signalbox/core/config";
import { createHealth } from "@signalbox/core/health";
import { createMetrics } from "@signalbox/core/metrics";
import { createStreams, liveSources } from "@signalbox/modules/live";
import { testWorld, type World } from "@signalbox/modules/testing";
import type { FastifyInstance } from "fastify";
import { createGatewayApp, createOperatorApp } from "./app.ts";

const health = () => createHealth({ version: "test", serviceId: "test" });
let world: World;
let app: FastifyInstance;
let token: string;
before(async () => {
  world = await testWorld();
  app = createGatewayApp(world.deps, health());
  const registered = await app.inject({
    method: "POST",
    url: "/v2/auth/register",
    payload: { handle: "ann", email: "ann@example.test", password: "a phrase of my own" },
  });
  token = registered.json().accessToken;
});
after(async () => {
  await app.close();
  await world.close();
});

type Answer = Awaited<ReturnType<typeof app.inject>>;
const as = (method: "GET" | "POST", url: string, payload?: object, headers: Record<string, string> = {}) =>
  app.inject({
    method,
    url,
    headers: { authorization: `Bearer ${token}`, ...headers },
    ...(payload ? { payload } : {}),
  }) as Promise<Answer>;

test("one post, as each version shows it", async () => {
  const made = (await as("POST", "/v1/posts", { text: "hello" })).json();
  const { author, counts, ...rest } = made;
  const flat = {
    ...rest,
    authorId: author.id,
    authorHandle: "ann",
    authorDisplayName: author.displayName,
    authorAvatar: null,
    likes: 0,
    replies: 0,
    reposts: 0,
  };
  for (const [url, one, other] of [
    [`posts/${made.id}`, made, flat],
    ["feed", { items: [made], nextCursor: null }, { items: [flat], nextCursor: null }],
    ["users/ann/posts", { items: [made], nextCursor: null }, { items: [flat], nextCursor: null }],
  ]) {
    assert.deepEqual((await as("GET", `/v1/${url}`)).json(), one, url);
    assert.deepEqual((await as("GET", `/v2/${url}`)).json(), other, url);
  }
});

test("what is sent again to another version takes effect once, and is shown in its shape", async () => {
  const key = { "idempotency-key": "one-post-two-versions" };
  const first = (await as("POST", "/v1/posts", { text: "once" }, key)).json();
  const again = (await as("POST", "/v2/posts", { text: "once" }, key)).json();
  assert.deepEqual([again.id, again.authorHandle, again.author], [first.id, "ann", undefined]);
});

test("each version has a document and a page of its own, with every operation of the other", async () => {
  const [one, two] = await Promise.all(
    ["/v1", "/v2"].map(async (prefix) => (await app.inject({ url: `${prefix}/openapi.json` })).json()),
  );
  assert.deepEqual(Object.keys(two.paths), Object.keys(one.paths));
  assert.deepEqual(
    [one.servers[0].url, two.servers[0].url].map((url) => url.slice(-3)),
    ["/v1", "/v2"],
  );
  const fieldsOf = (document: typeof one) =>
    Object.keys(
      document.paths["/posts/{id}"].get.responses[200].content["application/json"].schema.properties,
    );
  assert.ok(fieldsOf(one).includes("author") && !fieldsOf(one).includes("authorId"));
  assert.ok(fieldsOf(two).includes("authorId") && !fieldsOf(two).includes("author"));
  const page = await app.inject({ url: "/v2/docs" });
  assert.match(String(page.headers["content-type"]), /^text\/html/);
  assert.match(page.body, /authorHandle/);
});

test("streams are described where they are, as server-sent events", async () => {
  const metrics = createMetrics({ signals: world.deps.signals, instance: world.deps.instance });
  const operators = createOperatorApp(world.deps, { health: health(), metrics, operatorToken: undefined });
  const serving = { ...world.deps, streams: createStreams({ ...world.deps, sources: liveSources }) };
  const callers = createGatewayApp(serving, health());
  for (const [server, prefix, path] of [
    [callers, "/v1", "/feed/live"],
    [callers, "/v2", "/feed/live"],
    [operators, "/operator/v1", "/signals/stream"],
  ] as const) {
    const { paths } = (await server.inject({ url: `${prefix}/openapi.json` })).json();
    const { responses, parameters } = paths[path].get;
    assert.deepEqual(Object.keys(responses["200"].content), ["text/event-stream"]);
    assert.ok(parameters.length > 0 && responses["401"]);
    assert.equal((await server.inject({ url: `${prefix}${path}` })).statusCode, 401);
  }
  await Promise.all([operators.close(), callers.close(), serving.streams.close()]);
});

test("every document is OpenAPI 3.1, and wherever /v1 shows a post, /v2 shows it flat", async () => {
  const read = async (prefix: string) => (await app.inject({ url: `${prefix}/openapi.json` })).json();
  const [one, two] = await Promise.all(["/v1", "/v2"].map(read));
  for (const document of [one, two]) {
    const { errors, valid } = await new Validator().validate(structuredClone(document));
    assert.deepEqual([valid, errors ?? []], [true, []]);
  }
  let posts = 0;
  for (const [path, methods] of Object.entries<Record<string, { responses: object }>>(one.paths))
    for (const [method, { responses }] of Object.entries(methods)) {
      if (!JSON.stringify(responses).includes('"replyTo"')) continue;
      posts += 1;
      const shown = JSON.stringify(two.paths[path][method].responses);
      assert.ok(shown.includes('"authorHandle"') && !shown.includes('"author"'), `${method} ${path}`);
      assert.ok(shown.includes('"likes"') && !shown.includes('"counts"'), `${method} ${path}`);
    }
  assert.ok(posts >= 4);
});

test("a place is named in the version that was asked", async () => {
  await app.inject({
    method: "PATCH",
    url: "/v1/me",
    headers: { authorization: `Bearer ${token}` },
    payload: { handle: "ann_new" },
  });
  for (const prefix of ["/v1", "/v2"])
    assert.equal(
      (await app.inject({ url: `${prefix}/users/ann` })).headers["content-location"],
      `${prefix}/users/ann_new`,
    );
});

test("an unknown version or path is told what there is", async () => {
  const said = async (url: string) => {
    const answer = await app.inject({ url });
    assert.equal(answer.statusCode, 404);
    assert.match(String(answer.headers["content-type"]), /^application\/problem\+json/);
    return answer.json().detail as string;
  };
  assert.match(await said("/v3/feed"), /nearest are GET \/v1\/feed, GET \/v2\/feed; \/v3 is no version/);
  assert.match(await said("/v1/fede"), /nearest are GET \/v1\/feed/);
  assert.match(await said("/feed"), /GET \/v1\/feed/);
  assert.match(await said("/livex"), /nearest are GET \/livez/);
  assert.match(await said("/v1/users/ann/folowers"), /GET \/v1\/users\/\{handle\}\/followers/);
  assert.match(
    await said("/nothing/of/the/sort"),
    /there is \/v1 \(\/v1\/docs, \/v1\/openapi.json\) and \/v2/,
  );
  await said(`/v1/${"x".repeat(5_000)}`);
});

test("nothing is deprecated unless the operator says so", async () => {
  const { headers } = await as("GET", "/v1/feed");
  assert.deepEqual([headers.deprecation, headers.sunset, headers.link], [undefined, undefined, undefined]);
});

test("a deprecated version, and a deprecated procedure, say so in every answer and in the document", async () => {
  const { SIGNALBOX_DEPRECATIONS } = readConfig({
    DATABASE_URL: "postgres://x@127.0.0.1/x",
    REDIS_URL: "redis://127.0.0.1",
    SIGNALBOX_DEPRECATIONS: "v1=2027-01-31/2027-12-31, v2:feed.home.read=2026-12-01",
  });
  const old = createGatewayApp(world.deps, health(), { SIGNALBOX_DEPRECATIONS });
  const headersOf = async (url: string, headers: Record<string, string> = {}) =>
    (await old.inject({ url, headers })).headers;
  const one = await headersOf("/v1/users/ann?x=1");
  assert.equal(one.deprecation, `@${Date.parse("2027-01-31") / 1000}`);
  assert.equal(one.sunset, "Fri, 31 Dec 2027 00:00:00 GMT");
  assert.equal(
    one.link,
    '</v2/users/ann>; rel="successor-version", </v2/docs>; rel="deprecation"; type="text/html"',
  );
  const refused = await headersOf("/v1/feed");
  assert.equal(refused.sunset, one.sunset);
  const two = await headersOf("/v2/feed", { authorization: `Bearer ${token}` });
  assert.deepEqual(
    [two.deprecation, two.sunset, two.link],
    [`@${Date.parse("2026-12-01") / 1000}`, undefined, '</v2/docs>; rel="deprecation"; type="text/html"'],
  );
  assert.equal((await headersOf("/v2/users/ann")).deprecation, undefined);
  assert.match(String((await headersOf("/v1/users/a%3E%22;x")).link), /^<\/v2\/users\/a%3E%22%3Bx>; /);
  const { paths } = (await old.inject({ url: "/v2/openapi.json" })).json();
  assert.deepEqual([paths["/feed"].get.deprecated, paths["/posts"].post.deprecated], [true, undefined]);
  await old.close();
});

test("a deprecation of what is not there is refused at the start", async () => {
  const at = new Date();
  const start = async (each: { version: string; procedure?: string }) =>
    createGatewayApp(world.deps, health(), {
      SIGNALBOX_DEPRECATIONS: [{ procedure: undefined, sunset: undefined, at, ...each }],
    }).ready();
  await assert.rejects(start({ version: "v9" }), ConfigError);
  await assert.rejects(start({ version: "v1", procedure: "feed.nothing" }), ConfigError);
  for (const text of ["v1", "v1=soon", "v1=2027-01-31/2026-01-31", "v1=2027-13-01"])
    assert.throws(
      () =>
        readConfig({
          DATABASE_URL: "postgres://x@127.0.0.1/x",
          REDIS_URL: "redis://127.0.0.1",
          SIGNALBOX_DEPRECATIONS: text,
        }),
      /SIGNALBOX_DEPRECATIONS must be such as/,
      text,
    );
});

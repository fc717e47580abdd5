// What takes the short way is answered as Fastify would answer it. inject() does not pass the server, so it always goes the long way.

import assert from "node:assert/strict";
import { once } from "node:events";
import { Agent, request as ask, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { createHealth } from "@signalbox/core/health";
import { testWorld, type World } from "@signalbox/modules/testing";
import fastify, { type FastifyInstance } from "fastify";
import { createGatewayApp } from "../app.ts";
import type { Gate } from "./exchange.ts";
import { serverOptions } from "./server.ts";
import { openShortWay } from "./short-way.ts";
import { createSampleApp } from "./testing.ts";

type Answer = { status: number; headers: IncomingHttpHeaders; body: string };

type Sent = { method?: string; body?: string | Buffer };

async function overTheWire(
  app: FastifyInstance,
  path: string,
  headers: object,
  { method = "GET", body: payload }: Sent = {},
): Promise<Answer> {
  const { port } = app.server.address() as AddressInfo;
  const length = payload === undefined ? {} : { "content-length": Buffer.byteLength(payload) };
  const asked = ask({
    port,
    host: "127.0.0.1",
    method,
    path,
    headers: { ...length, ...headers },
    agent: false,
  });
  asked.end(payload);
  const [response] = await once(asked, "response");
  let body = "";
  response.setEncoding("latin1");
  for await (const chunk of response) body += chunk;
  return { status: response.statusCode, headers: response.headers, body };
}

async function injected(
  app: FastifyInstance,
  url: string,
  headers: object,
  { method = "GET", body }: Sent = {},
): Promise<Answer> {
  const {
    statusCode: status,
    headers: said,
    rawPayload,
  } = await app.inject({
    method: method as "GET",
    url,
    headers: { ...headers },
    ...(body === undefined ? {} : { payload: body }),
  });
  return { status, headers: said as IncomingHttpHeaders, body: rawPayload.toString("latin1") };
}

/** Without what differs between any two requests. */
function comparable({ status, headers, body }: Answer) {
  const { date: _date, connection: _connection, "keep-alive": _keepAlive, ...same } = headers;
  if (same.traceparent) same.traceparent = String(same.traceparent).replace(/-[0-9a-f]{16}-/, "-span-");
  // One after the other, so that one more call is counted.
  if (same.ratelimit) same.ratelimit = String(same.ratelimit).replace(/r=\d+;t=\d+/, "r;t");
  return { status, headers: same, body };
}

async function compare(
  app: FastifyInstance,
  path: string,
  more: object = {},
  sent: Sent = {},
): Promise<Answer> {
  const headers = {
    "x-request-id": "the-same-request",
    traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    ...more,
  };
  const [long, short] = [
    await injected(app, path, headers, sent),
    await overTheWire(app, path, headers, sent),
  ];
  assert.deepEqual(
    comparable(short),
    comparable(long),
    `${sent.method ?? "GET"} ${path} ${JSON.stringify(more)}`,
  );
  return short;
}

const user = { authorization: "Bearer user" };
const json = { ...user, "content-type": "application/json" };
const hello = '{"text":"hello"}';
const samples: [path: string, headers: object, status: number, way: "short" | "long", sent?: Sent][] = [
  ["/v1/items/7", {}, 200, "short"],
  ["/v1/items/7", user, 200, "short"],
  ["/v1/items/7", { "if-none-match": '"v1"' }, 304, "short"],
  ["/v1/items/7", { "if-none-match": "*" }, 304, "short"],
  ["/v1/items/none", {}, 404, "short"],
  ["/v1/items/7", { authorization: "Bearer nobody" }, 401, "short"],
  [`/v1/items/${"x".repeat(81)}`, {}, 422, "short"],
  ["/v1/items", {}, 200, "short"],
  ["/v1/unexpected", {}, 500, "short"],
  ["/v1/own-shape", {}, 500, "short"],
  ["/v1/foreign", {}, 200, "short"],
  ["/v1/items?limit=2", {}, 200, "short"],
  ["/v1/items?limit=0", {}, 422, "short"],
  ["/v1/items?limit=", {}, 422, "short"],
  ["/v1/items?unknown=1", {}, 200, "short"],
  ["/v1/items?__proto__=1", {}, 200, "short"],
  ["/v1/items/7?unknown=1", {}, 200, "short"],
  ["/v1/items?limit=2&limit=3", {}, 422, "long"],
  ["/v1/items?limit=%32", {}, 200, "long"],
  ["/v1/items?limit=2&", {}, 200, "long"],
  ["/v1/items?", {}, 200, "long"],
  ["/v1/items/a%20b", {}, 200, "long"],
  ["/v1/items/", {}, 200, "long"],
  ["/v1/items/7/none", {}, 404, "long"],
  ["/v1/docs", {}, 200, "long"],
  [`/v1/items/${"x".repeat(501)}`, {}, 404, "long"],
  ["/v1/items", json, 201, "short", { method: "POST", body: hello }],
  ["/v1/items", json, 201, "short", { method: "POST", body: `{"text":"${"Grüße ".repeat(30_000)}"}` }],
  ["/v1/items", {}, 401, "short", { method: "POST", body: hello }],
  ["/v1/items", json, 422, "short", { method: "POST", body: '{"text":""}' }],
  ["/v1/items", json, 422, "short", { method: "POST" }],
  ["/v1/items", json, 400, "short", { method: "POST", body: "{text" }],
  ["/v1/items", json, 400, "short", { method: "POST", body: '{"text":"a","__proto__":{}}' }],
  ["/v1/items", json, 400, "short", { method: "POST", body: Buffer.from([0x22, 0xff, 0x22]) }],
  ["/v1/items", json, 413, "short", { method: "POST", body: `{"text":"${"x".repeat(1_048_577)}"}` }],
  ["/v1/items", { ...user, "content-type": "text/plain" }, 415, "short", { method: "POST", body: hello }],
  ["/v1/items", user, 415, "short", { method: "POST", body: hello }],
  ["/v1/items/7", json, 200, "short", { method: "PATCH", body: hello }],
  ["/v1/items/7", { ...json, "if-match": '"v0"' }, 412, "short", { method: "PATCH", body: hello }],
  ["/v1/items?limit=2", json, 201, "long", { method: "POST", body: hello }],
  ["/v1/items/7", json, 405, "long", { method: "POST", body: hello }],
];

test("what takes the short way is answered as on the long one", async () => {
  const long: string[] = [];
  const app = await createSampleApp({ onLong: (url) => long.push(url) });
  await app.listen({ port: 0, host: "127.0.0.1" });
  try {
    for (const [path, headers, status, way, sent] of samples) {
      long.length = 0;
      const answer = await compare(app, path, headers, sent);
      assert.equal(answer.status, status, path);
      // Once by inject(); Fastify is given what takes the long way once more, or refuses it before anyone is told.
      assert.equal(long.length === 1, way === "short", `${path} takes the ${way} way`);
    }
  } finally {
    await app.close();
  }
});

let world: World;
let app: FastifyInstance;
let token: string;
before(async () => {
  world = await testWorld();
  app = createGatewayApp(world.deps, createHealth({ version: "test", serviceId: "test" }));
  const payload = { handle: "ann", email: "ann@example.test", password: "the phrase of ann" };
  token = (await app.inject({ method: "POST", url: "/v1/auth/register", payload })).json().accessToken;
  await app.listen({ port: 0, host: "127.0.0.1" });
});
after(async () => {
  await app.close();
  await world.close();
});

test("reads of the product, through every stage, are the same on both ways", async () => {
  const known = { authorization: `Bearer ${token}` };
  for (const path of [
    "/v1/users/ann",
    "/v2/users/ann",
    "/v1/users/Ann",
    "/v1/users/nobody",
    "/v1/me",
    "/v1/feed",
    "/v1/feed?limit=2",
    "/v1/feed?limit=2&cursor=of-nobody",
  ])
    for (const headers of [
      {},
      known,
      { ...known, origin: "https://page.example" },
      { ...known, "x-request-timeout": "2s" },
      { ...known, "x-request-timeout": "soon" },
      { authorization: "Bearer not.a.token" },
      { authorization: "Basic YTpi" },
      { "x-api-key": "sbk_unknown" },
      { "x-forwarded-for": "203.0.113.9" },
      { "accept-encoding": "br" },
    ])
      await compare(app, path, headers);
  const { headers } = await compare(app, "/v1/users/ann", known);
  assert.equal(
    (await compare(app, "/v1/users/ann", { ...known, "if-none-match": headers.etag })).status,
    304,
  );
});

test("what is done on the short way is done as on the long one", async () => {
  const json = { "content-type": "application/json" };
  const send = (path: string, body: object, headers: object = {}, method = "POST") =>
    overTheWire(app, path, { ...json, ...headers }, { method, body: JSON.stringify(body) });
  const account = { handle: "bea", email: "bea@example.test", password: "the phrase of bea" };
  const { status, body } = await send("/v1/auth/register", account);
  assert.equal(status, 201, body);
  const { accessToken, refreshToken } = JSON.parse(body);
  const known = { authorization: `Bearer ${accessToken}` };
  const key = { ...known, "idempotency-key": "one-write" };
  const [first, again] = [
    await send("/v1/posts", { text: "hi" }, key),
    await send("/v1/posts", { text: "hi" }, key),
  ];
  assert.deepEqual([first.status, JSON.parse(again.body)], [201, JSON.parse(first.body)]);
  const changed = await send("/v1/me", { bio: "on the short way" }, known, "PATCH");
  assert.deepEqual([changed.status, JSON.parse(changed.body).bio], [200, "on the short way"]);
  assert.equal((await send("/v1/auth/refresh", { refreshToken })).status, 200);
  assert.equal((await send("/v1/auth/refresh", { refreshToken: "none" })).status, 401);
  assert.equal((await overTheWire(app, "/v1/auth/logout-all", known, { method: "POST" })).status, 204);
});

test("what a read throws by itself, at once or after a wait, is a refusal and not the end of the process", async (t) => {
  for (const gate of [() => undefined, async () => undefined] as Gate[]) {
    const app = fastify();
    t.after(() => app.close());
    openShortWay(app, { gates: [gate], trust: () => false });
    app.shortWay.offer("GET", "/broken", {
      admit: () => undefined,
      answer() {
        throw new Error("broken");
      },
      refuse: (_request, reply, thrown) => void reply.code(500).send(String(thrown)),
    });
    await app.listen({ port: 0, host: "127.0.0.1" });
    const { status, body } = await overTheWire(app, "/broken", {});
    assert.deepEqual([status, body], [500, "Error: broken"]);
  }
});

test("a read that is under way when the server closes is answered, and its connection ends with it", async () => {
  for (const body of ["the end", undefined]) {
    const app = fastify(serverOptions());
    openShortWay(app, { gates: [], trust: () => false });
    const asked = Promise.withResolvers<() => void>();
    app.shortWay.offer("GET", "/slow", {
      admit: () => undefined,
      answer: (_request, reply) =>
        asked.resolve(() => void reply.code(body === undefined ? 204 : 200).send(body)),
      refuse: (_request, _reply, thrown) => asked.reject(thrown),
    });
    await app.listen({ port: 0, host: "127.0.0.1" });
    const { port } = app.server.address() as AddressInfo;
    const agent = new Agent({ keepAlive: true });
    const call = ask({ port, host: "127.0.0.1", path: "/slow", agent }).end();
    const answered = once(call, "response");
    const answer = await asked.promise;
    const closed = app.close();
    await setTimeout(20);
    answer();
    const [response] = await answered;
    response.resume();
    assert.equal(response.headers.connection, "close");
    const inTime = await Promise.race([closed.then(() => true), setTimeout(5_000, false, { ref: false })]);
    agent.destroy();
    assert.ok(inTime, "the server closes once all is answered");
  }
});

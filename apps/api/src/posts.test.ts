// Posts over HTTP: validators, conditional changes, and what is no text.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { createHealth } from "@signalbox/core/health";
import { testWorld, type World } from "@signalbox/modules/testing";
import type { FastifyInstance } from "fastify";
import { createGatewayApp } from "./app.ts";

let world: World;
let app: FastifyInstance;
const tokens: string[] = [];
before(async () => {
  world = await testWorld();
  app = createGatewayApp(world.deps, createHealth({ version: "test", serviceId: "test" }));
  for (const handle of ["ann", "bea"]) {
    const payload = { handle, email: `${handle}@example.test`, password: `the phrase of ${handle}` };
    const answer = await app.inject({ method: "POST", url: "/v1/auth/register", payload });
    tokens.push(answer.json().accessToken);
  }
});
after(async () => {
  await app.close();
  await world.close();
});

type Asked = { payload?: object; headers?: Record<string, string>; as?: number };
const call = (
  method: "GET" | "POST" | "PATCH" | "PUT" | "DELETE",
  path: string,
  { payload, headers, as = 0 }: Asked = {},
) =>
  app.inject({
    ...{ method, url: `/v1${path}`, ...(payload ? { payload } : {}) },
    headers: { authorization: `Bearer ${tokens[as]}`, ...headers },
  });
const post = async (payload: object): Promise<string> =>
  (await call("POST", "/posts", { payload })).json().id;
const tagOf = async (id: string, as = 0) => String((await call("GET", `/posts/${id}`, { as })).headers.etag);
const change = (id: string, text: string, etag: string) =>
  call("PATCH", `/posts/${id}`, { payload: { text }, headers: { "if-match": etag } });

test("a post has one strong ETag a version for each reader, in every encoding, and is not sent twice", async () => {
  const path = `/posts/${await post({ text: "first" })}`;
  const answer = await call("GET", path);
  const etag = String(answer.headers.etag);
  assert.match(etag, /^"[^"]+"$/);
  assert.equal(answer.headers["cache-control"], "private, no-cache");
  const same = await call("GET", path, { headers: { "accept-encoding": "gzip" } });
  assert.equal(same.headers.etag, etag);
  const again = await call("GET", path, { headers: { "if-none-match": etag } });
  assert.deepEqual([again.statusCode, again.body], [304, ""]);
  assert.equal((await call("PUT", `${path}/like`)).statusCode, 204);
  const liked = await call("GET", path, { headers: { "if-none-match": etag } });
  assert.deepEqual([liked.statusCode, liked.json().viewer.liked], [200, true]);
  assert.notEqual(liked.headers.etag, (await call("GET", path, { as: 1 })).headers.etag);
});

test("an edit takes the ETag that was read, once; a like in between is no other version", async () => {
  const id = await post({ text: "first" });
  const etag = await tagOf(id);
  await call("PUT", `/posts/${id}/like`, { as: 1 });
  const done = await change(id, "second", etag);
  assert.equal(done.statusCode, 200);
  assert.equal(done.headers.etag, await tagOf(id));
  const late = await change(id, "late", etag);
  assert.deepEqual(
    [late.statusCode, late.headers["content-type"], late.json().code],
    [412, "application/problem+json", "stale"],
  );
  assert.equal((await change(id, "third", `"other", ${done.headers.etag}`)).statusCode, 200);
  assert.equal((await change(id, "weak", `W/${await tagOf(id)}`)).statusCode, 412);
  assert.equal((await change(id, "any", "*")).statusCode, 200);
  assert.equal((await call("PATCH", `/posts/${id}`, { payload: { text: "last" } })).statusCode, 200);
  assert.equal((await call("GET", `/posts/${id}`)).json().text, "last");
});

test("what changed since it was read is not deleted, nor anything that hangs on it", async () => {
  const id = await post({ text: "first" });
  const etag = await tagOf(id);
  await change(id, "second", etag);
  const headers = { "if-match": etag };
  assert.equal((await call("DELETE", `/posts/${id}`, { headers })).statusCode, 412);
  assert.equal((await call("GET", `/posts/${id}/history`)).json().items.length, 2);
  assert.equal((await call("DELETE", `/posts/${id}`, { headers, as: 1 })).statusCode, 403);
  const now = { "if-match": await tagOf(id) };
  assert.equal((await call("DELETE", `/posts/${id}`, { headers: now })).statusCode, 204);
  assert.equal((await call("GET", `/posts/${id}`)).statusCode, 404);
});

test("the description tells of ETag, If-Match and 412", async () => {
  const { paths } = (await app.inject({ url: "/v1/openapi.json" })).json();
  const { get, patch, delete: remove } = paths["/v1/posts/{id}"] ?? paths["/posts/{id}"];
  assert.ok(get.responses["200"].headers.ETag && get.responses["304"]);
  for (const { parameters, responses } of [patch, remove]) {
    assert.ok(parameters.some(({ name }: { name: string }) => name === "If-Match"));
    assert.ok(responses["412"]);
  }
});

test("what nobody can see is no text; what has something to see keeps what is unseen in it", async () => {
  for (const text of ["\u200b", " \u200b\u200d\ufeff\n", "\u00ad", "\u3164", "\u2800\u2800", "\ufe0f"]) {
    const answer = await call("POST", "/posts", { payload: { text } });
    assert.deepEqual([answer.statusCode, answer.json().errors?.[0]?.field], [422, "text"], escape(text));
  }
  const text = "\u200ba \u{1f469}\u200d\u{1f680}";
  const { statusCode, body } = await call("POST", "/posts", { payload: { text } });
  assert.deepEqual([statusCode, JSON.parse(body).text], [201, text]);
  const named = await call("PATCH", "/me", { payload: { displayName: "\u200d" } });
  assert.equal(named.statusCode, 422);
});

test("a cursor is taken by the list that handed it out, and by no other", async () => {
  const id = await post({ text: "first" });
  for (const replyTo of [undefined, id, id]) await post({ text: "more", ...(replyTo ? { replyTo } : {}) });
  for (const as of [0, 1])
    await app.inject({
      ...{ method: "POST", url: "/v1/posts", payload: { text: "mine" } },
      headers: { authorization: `Bearer ${tokens[as]}` },
    });
  await world.settle();
  const paths = ["/feed", "/users/ann/posts", `/posts/${id}/replies`];
  const cursors: string[] = [];
  for (const path of paths) {
    const { nextCursor } = (await call("GET", `${path}?limit=1`)).json();
    assert.ok(nextCursor, path);
    cursors.push(nextCursor);
  }
  const lists = [...paths, "/users/bea/posts", "/users/ann/followers", "/notifications", "/me/blocks"];
  for (const [at, cursor] of cursors.entries())
    for (const path of lists) {
      const answer = await call("GET", `${path}?limit=1&cursor=${encodeURIComponent(cursor)}`);
      if (path === paths[at]) assert.equal(answer.statusCode, 200, path);
      else {
        assert.deepEqual([answer.statusCode, answer.json().errors?.[0]?.field], [422, "cursor"], path);
        assert.match(answer.json().detail, /another list|not one that this list handed out/);
      }
    }
});

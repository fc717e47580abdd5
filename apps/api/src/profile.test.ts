// Profiles over HTTP: validators, conditional requests and changes.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { createHealth } from "@signalbox/core/health";
import { testWorld, type World } from "@signalbox/modules/testing";
import type { FastifyInstance } from "fastify";
import { createGatewayApp } from "./app.ts";

let world: World;
let app: FastifyInstance;
let token: string;
before(async () => {
  world = await testWorld();
  app = createGatewayApp(world.deps, createHealth({ version: "test", serviceId: "test" }));
  const payload = { handle: "ann", email: "ann@example.test", password: "the phrase of ann" };
  const answer = await app.inject({ method: "POST", url: "/v1/auth/register", payload });
  token = answer.json().accessToken;
});
after(async () => {
  await app.close();
  await world.close();
});

const get = (headers: Record<string, string> = {}) => app.inject({ url: "/v1/users/ann", headers });
const patch = (payload: object, headers: Record<string, string> = {}) =>
  app.inject({
    method: "PATCH",
    url: "/v1/me",
    payload,
    headers: { authorization: `Bearer ${token}`, ...headers },
  });

test("the same version has the same strong ETag in every encoding, and is not sent twice", async () => {
  const plain = await get();
  assert.equal(plain.statusCode, 200);
  const etag = plain.headers.etag as string;
  assert.match(etag, /^"[^"]+"$/);
  assert.equal((await get({ "accept-encoding": "gzip" })).headers.etag, etag);
  const again = await get({ "if-none-match": etag });
  assert.equal(again.statusCode, 304);
  assert.equal(again.body, "");
  assert.match(String(again.headers["cache-control"]), /^public/);
  assert.equal(again.headers.vary, "origin, Authorization");
});

test("a change takes the ETag that was read, once", async () => {
  const etag = (await get()).headers.etag as string;
  const done = await patch({ bio: "new" }, { "if-match": etag });
  assert.equal(done.statusCode, 200);
  assert.notEqual(done.headers.etag, etag);
  const late = await patch({ bio: "late" }, { "if-match": etag });
  assert.equal(late.statusCode, 412);
  assert.equal(late.json().code, "stale");
  assert.equal((await get({ "if-none-match": etag })).json().bio, "new");
  assert.equal((await patch({ bio: "without" })).statusCode, 200);
  assert.equal((await get()).json().bio, "without");
});

test("bad fields are told by name", async () => {
  const answer = await patch({ handle: "\u212aelvin", displayName: "An\u202en", links: ["javascript:1"] });
  assert.equal(answer.statusCode, 422);
  const fields = answer.json().errors.map(({ field }: { field: string }) => field);
  assert.deepEqual(new Set(fields), new Set(["displayName", "handle", "links.0"]));
  assert.equal((await app.inject({ url: `/v1/users/${"a".repeat(31)}` })).statusCode, 422);
  const huge = await app.inject({ url: `/v1/users/${"a".repeat(8_000)}` });
  assert.deepEqual([huge.statusCode, huge.json().code], [404, "not_found"]);
});

test("where the operator names regions, nobody registers in another or moves there", async () => {
  assert.equal((await patch({ region: "FR" })).statusCode, 200);
  const served = { ...world.deps, regions: ["DE", "AT"] };
  const there = createGatewayApp(served, createHealth({ version: "test", serviceId: "test" }));
  const register = (handle: string, region?: string) =>
    there.inject({
      method: "POST",
      url: "/v1/auth/register",
      payload: { handle, email: `${handle}@example.test`, password: "the phrase of one", region },
    });
  for (const [region, words] of [
    ["FR", /is FR, and this install serves people who live in DE, AT/],
    [undefined, /is needed/],
  ] as const) {
    const { statusCode, json } = await register("elsewhere", region);
    assert.deepEqual([statusCode, json().code, json().errors[0].field], [422, "invalid", "region"]);
    assert.match(json().detail, words);
  }
  assert.equal((await app.inject({ url: "/v1/users/elsewhere" })).statusCode, 404);
  assert.equal((await register("here", "AT")).statusCode, 201);
  const move = async (payload: object) =>
    (
      await there.inject({
        method: "PATCH",
        url: "/v1/me",
        payload,
        headers: { authorization: `Bearer ${token}` },
      })
    ).statusCode;
  assert.equal(await move({ region: "CH" }), 422);
  assert.equal(await move({ region: null }), 422);
  // Who lives elsewhere already stays, and may change the rest.
  assert.equal(await move({ region: "FR", bio: "still here" }), 200);
  assert.equal(await move({ region: "DE" }), 200);
  await there.close();
});

test("the old handle answers with the place of the new one", async () => {
  await patch({ handle: "ann_new" });
  const old = await get();
  assert.equal(old.statusCode, 200);
  assert.equal(old.json().handle, "ann_new");
  assert.equal(old.headers["content-location"], "/v1/users/ann_new");
});

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { gunzipSync } from "node:zlib";
import { createHealth } from "@signalbox/core/health";
import { newId } from "@signalbox/core/ids";
import { runNextRequest } from "@signalbox/modules/personal";
import { ctxOf, testWorld, type World } from "@signalbox/modules/testing";
import type { FastifyInstance } from "fastify";
import { createGatewayApp } from "../app.ts";

let world: World;
let app: FastifyInstance;
before(async () => {
  world = await testWorld();
  app = createGatewayApp(world.deps, createHealth({ version: "test", serviceId: "test" }));
});
after(async () => {
  await app.close();
  await world.close();
});

const password = "a phrase of my own";
type Method = "GET" | "POST" | "DELETE";
const call = (method: Method, url: string, token?: string, payload?: object) =>
  app.inject({
    method,
    url,
    ...(payload ? { payload } : {}),
    headers: token ? { authorization: `Bearer ${token}` } : {},
  });
const register = async (handle: string): Promise<string> =>
  (
    await call("POST", "/v1/auth/register", undefined, { handle, email: `${handle}@example.test`, password })
  ).json().accessToken;
const work = () => runNextRequest(ctxOf(world.deps, { kind: "job", name: "personal" }));

test("an export is asked for, followed and fetched by its owner alone", async () => {
  const [ann, bob] = [await register("ann"), await register("bob")];
  const asked = await call("POST", "/v1/me/export", ann);
  assert.equal(asked.statusCode, 202);
  const status = `/v1/me/export/${asked.json().id}`;
  assert.equal((await call("GET", `${status}/archive`, ann)).statusCode, 409);
  await work();
  const { archive } = (await call("GET", status, ann)).json();
  const fetched = await app.inject({ url: archive, headers: { authorization: `Bearer ${ann}` } });
  assert.deepEqual([fetched.statusCode, fetched.headers["content-type"]], [200, "application/gzip"]);
  assert.match(gunzipSync(fetched.rawPayload).toString(), /"handle": "ann"/);
  assert.equal((await call("GET", archive)).statusCode, 401);
  for (const url of [archive, `/v1/me/export/${newId()}/archive`, "/v1/me/export/none/archive"])
    assert.equal((await call("GET", url, bob)).statusCode, 404);
});

test("an account is deleted with its password in the body, and its token is refused at once", async () => {
  const cat = await register("cat");
  assert.equal((await call("DELETE", "/v1/me", cat)).statusCode, 422);
  assert.equal((await call("DELETE", "/v1/me", cat, { password: "wrong" })).statusCode, 403);
  const deleted = await call("DELETE", "/v1/me", cat, { password });
  assert.deepEqual([deleted.statusCode, deleted.json().kind], [202, "erasure"]);
  assert.equal((await call("GET", "/v1/me", cat)).statusCode, 401);
  assert.equal((await call("GET", "/v1/users/cat")).statusCode, 404);
  assert.equal(await work(), true);
});

test("the description puts the password of a deletion into the body, not into the address", async () => {
  const { paths } = (await call("GET", "/v1/openapi.json")).json();
  const { parameters, requestBody } = paths["/me"].delete;
  assert.ok(requestBody.content["application/json"].schema.properties.password);
  assert.deepEqual(
    parameters.map(({ name }: { name: string }) => name),
    ["Idempotency-Key"],
  );
});

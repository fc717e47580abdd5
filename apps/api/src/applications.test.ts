import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { createHealth } from "@signalbox/core/health";
import { openPlane, operatorRouter } from "@signalbox/modules/control";
import { ctxOf, testWorld, type World } from "@signalbox/modules/testing";
import type { FastifyInstance } from "fastify";
import { createGatewayApp } from "./app.ts";

let world: World;
let app: FastifyInstance;
let plane: ReturnType<typeof openPlane>;
before(async () => {
  world = await testWorld();
  plane = openPlane(world.deps, { prefix: `applications-${process.pid}` });
  app = createGatewayApp(world.deps, createHealth({ version: "test", serviceId: "test" }));
});
after(async () => {
  await app.close();
  await plane.close();
  await world.close();
});

const operator = () =>
  operatorRouter.createCaller(ctxOf(world.deps, { kind: "operator", id: "a", name: "Ann", role: "admin" }));
const read = (key: string, origin?: string, url = "/v1/users/someone_else") =>
  app.inject({ url, headers: { "x-api-key": key, ...(origin ? { origin } : {}) } });

test("an application calls what its scopes name, from its origins, as often as it may, until its key is revoked", async () => {
  const origins = ["https://app.example.com"];
  const made = await operator().applications.create({
    name: "app",
    origins,
    scopes: ["users.profile"],
    reason: "a test",
  });
  assert.match(made.key, /^sba_[\w-]{43}$/);
  const kept = await world.deps.sql`select * from applications`;
  assert.ok(!JSON.stringify(kept).includes(made.key));
  assert.equal((await read(made.key)).statusCode, 404);
  assert.equal((await read(made.key, origins[0])).statusCode, 404);
  assert.equal((await read(made.key, "https://evil.example")).statusCode, 403);
  assert.equal((await read(made.key, "null")).statusCode, 403);
  assert.equal(
    (await read(made.key, undefined, "/v1/posts/0190a8c0-0000-7000-8000-000000000000")).statusCode,
    403,
  );
  for (const key of ["sba_wrong", "x", `${made.key}x`, `sba_${"x".repeat(10_000)}`]) {
    const answer = await read(key);
    assert.equal(answer.statusCode, 401, key.slice(0, 20));
    assert.ok(answer.headers["www-authenticate"]);
  }
  await operator().applications.revoke({ id: made.id, reason: "a test" });
  for (const until = Date.now() + 1_500; (await read(made.key)).statusCode !== 401; )
    assert.ok(Date.now() < until, "a revoked key is taken for more than a second");

  const slow = await operator().applications.create({
    name: "slow",
    scopes: ["*"],
    rate: 1,
    burst: 2,
    reason: "a test",
  });
  const codes = [await read(slow.key), await read(slow.key), await read(slow.key)].map(
    (one) => one.statusCode,
  );
  assert.deepEqual(codes, [404, 404, 429]);
});

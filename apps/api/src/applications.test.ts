import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { createHealth } from "@signalbox/core/health";
import { newId } from "@signalbox/core/ids";
import { createGateway, type Gateway } from "@signalbox/gateway";
import { openPlane, operatorRouter } from "@signalbox/modules/control";
import { ctxOf, testWorld, type World } from "@signalbox/modules/testing";
import type { FastifyInstance } from "fastify";
import { createGatewayApp } from "./app.ts";

let world: World;
let app: FastifyInstance;
let gateway: Gateway;
let plane: ReturnType<typeof openPlane>;
before(async () => {
  world = await testWorld();
  plane = openPlane(world.deps, { prefix: `applications-${process.pid}` });
  const { live, redis, log, instance } = world.deps;
  gateway = createGateway({ live, redis, log, instance, prefix: newId() });
  app = createGatewayApp(
    { ...world.deps, gateway, limiter: gateway.limiter },
    createHealth({ version: "test", serviceId: "test" }),
  );
});
after(async () => {
  await app.close();
  await gateway.close();
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

test("pages of the origins that an application names may call, and no others", async () => {
  const origin = "https://shop.example.com";
  const preflight = (from: string, url = "/v1/posts") =>
    app.inject({
      method: "OPTIONS",
      url,
      headers: {
        origin: from,
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,content-type",
      },
    });
  const allowed = ({ headers }: { headers: Record<string, unknown> }) =>
    headers["access-control-allow-origin"];
  assert.equal(allowed(await preflight(origin)), undefined);
  const { id, key } = await operator().applications.create({
    name: "shop",
    origins: [origin],
    scopes: ["*"],
    reason: "a test",
  });
  for (const until = Date.now() + 2_000; allowed(await preflight(origin)) !== origin; )
    assert.ok(Date.now() < until, "the origin of a new application is not known within two seconds");
  for (const url of ["/v1/posts", "/v2/posts", "/trpc/feed.post.create", "/trpc/a.b,c.d"]) {
    const answer = await preflight(origin, url);
    assert.equal(answer.statusCode, 204, url);
    assert.equal(allowed(answer), origin);
    assert.match(String(answer.headers["access-control-allow-methods"]), /\bPOST\b/);
    assert.match(String(answer.headers["access-control-allow-headers"]), /\bAuthorization\b.*\bX-Api-Key\b/);
    assert.equal(answer.headers["access-control-allow-credentials"], undefined);
    assert.match(String(answer.headers.vary), /origin/);
  }
  const used = await read(key, origin);
  assert.deepEqual([used.statusCode, allowed(used)], [404, origin]);
  assert.match(String(used.headers["access-control-expose-headers"]), /X-Request-Id/);
  // Refusals can be read too, and who may not read learns no more than that.
  const refused = await app.inject({ url: "/v1/feed", headers: { origin } });
  assert.deepEqual([refused.statusCode, allowed(refused)], [401, origin]);
  for (const other of [
    "https://evil.example",
    "null",
    `${origin}.evil.example`,
    "https://SHOP.example.com",
  ]) {
    assert.equal(allowed(await preflight(other)), undefined, other);
    assert.equal(allowed(await read(key, other)), undefined, other);
  }
  await operator().applications.revoke({ id, reason: "a test" });
  for (const until = Date.now() + 2_000; allowed(await preflight(origin)) !== undefined; )
    assert.ok(Date.now() < until, "the origin of a revoked application is allowed for more than two seconds");
});

test("pages may be allowed by configuration, and every page by a star", async () => {
  const health = () => createHealth({ version: "test", serviceId: "test" });
  const some = createGatewayApp(world.deps, health(), {
    SIGNALBOX_CORS_ORIGINS: ["https://app.example.com"],
  });
  const every = createGatewayApp(world.deps, health(), { SIGNALBOX_CORS_ORIGINS: ["*"] });
  const allowed = async (server: FastifyInstance, origin: string) =>
    (await server.inject({ url: "/livez", headers: { origin } })).headers["access-control-allow-origin"];
  assert.equal(await allowed(some, "https://app.example.com"), "https://app.example.com");
  assert.equal(await allowed(some, "https://other.example.com"), undefined);
  assert.equal(await allowed(every, "https://other.example.com"), "*");
  await Promise.all([some.close(), every.close()]);
});

test("the address that counts is what trusted proxies heard", async () => {
  const behind = createGatewayApp(world.deps, createHealth({ version: "test", serviceId: "test" }), {
    SIGNALBOX_TRUSTED_PROXIES: ["127.0.0.0/8"],
  });
  const addresses: string[] = [];
  behind.addHook("onResponse", async (request) => void addresses.push(request.address));
  const headers = { "x-forwarded-for": "6.6.6.6, 203.0.113.9" };
  await behind.inject({ url: "/livez", headers });
  await behind.inject({ url: "/livez", headers, remoteAddress: "198.51.100.1" });
  assert.deepEqual(addresses, ["203.0.113.9", "198.51.100.1"]);
  await behind.close();
});

// Applications of one's own by the same switches: OpenFeature's own, unmodified clients against our endpoints.

import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import { OFREPProvider } from "@openfeature/ofrep-provider";
import { OFREPWebProvider } from "@openfeature/ofrep-web-provider";
import { type EvaluationContext, OpenFeature, ProviderEvents } from "@openfeature/server-sdk";
import { ClientProviderEvents, OpenFeature as WebOpenFeature } from "@openfeature/web-sdk";
import { fixedLive } from "@signalbox/control/live";
import type { SettingsInput } from "@signalbox/control/settings";
import { until } from "@signalbox/control/testing";
import { createHealth } from "@signalbox/core/health";
import { newId } from "@signalbox/core/ids";
import { createGateway, type Gateway } from "@signalbox/gateway";
import { openPlane, operatorRouter } from "@signalbox/modules/control";
import { ctxOf, testWorld, type World } from "@signalbox/modules/testing";
import { SignalboxProvider } from "@signalbox/openfeature";
import { EventSource } from "eventsource";
import type { FastifyInstance } from "fastify";
import { createGatewayApp } from "./app.ts";

const own = {
  "shop.checkout": { title: "New checkout" },
  "shop.hints": { tags: ["optional"] },
  "blog.a": {},
};
const live = fixedLive();
const set = (switches: SettingsInput["switches"] = {}) => live.set({ own, switches });
const off = (value: object = {}) => ({ state: "off" as const, ...value });

let world: World;
let app: FastifyInstance;
let gateway: Gateway;
let plane: ReturnType<typeof openPlane>;
let url: string;
let key: string;

before(async () => {
  world = await testWorld({ deps: { live } });
  plane = openPlane(world.deps, { prefix: `ofrep-${process.pid}` });
  const { redis, log, instance } = world.deps;
  gateway = createGateway({ live, redis, log, instance, prefix: newId() });
  app = createGatewayApp(
    { ...world.deps, gateway, limiter: gateway.limiter },
    createHealth({ version: "test", serviceId: "test" }),
  );
  url = await app.listen({ port: 0, host: "127.0.0.1" });
  key = await application(["switches", "shop"], ["https://shop.example.com"]);
  set();
});
beforeEach(() => set());
after(async () => {
  await OpenFeature.close();
  await WebOpenFeature.close();
  await app.close();
  await gateway.close();
  await plane.close();
  await world.close();
});

async function application(scopes: string[], origins: string[] = []): Promise<string> {
  const operator = { kind: "operator", id: "a", name: "Ann", role: "admin" } as const;
  const caller = operatorRouter.createCaller(ctxOf(world.deps, operator));
  return (await caller.applications.create({ name: "shop", scopes, origins, reason: "a test" })).key;
}

const ask = (path: string, body: unknown, headers: Record<string, string> = {}) =>
  app.inject({
    method: "POST",
    url: `/ofrep/v1/evaluate/flags${path}`,
    headers: { "x-api-key": key, "content-type": "application/json", ...headers },
    payload: JSON.stringify(body),
  });

describe("OFREP", () => {
  test("one flag: its value, its reason, and the failures that the protocol knows", async () => {
    const context = { targetingKey: "user-1", plan: "free" };
    assert.deepEqual((await ask("/shop.checkout", { context })).json(), {
      ...{ key: "shop.checkout", value: true, variant: "on", reason: "STATIC", metadata: {} },
    });
    set({ "shop.checkout": off({ message: "soon" }) });
    assert.deepEqual((await ask("/shop.checkout", { context })).json(), {
      ...{
        key: "shop.checkout",
        value: false,
        variant: "off",
        reason: "STATIC",
        metadata: { message: "soon" },
      },
    });
    set({ "shop.checkout": off({ targets: [{ attribute: "plan", values: ["free"] }] }) });
    const targeted = (await ask("/shop.checkout", { context })).json();
    assert.deepEqual([targeted.value, targeted.reason], [false, "TARGETING_MATCH"]);
    assert.equal((await ask("/shop.checkout", { context: { ...context, plan: "pro" } })).json().value, true);

    set({ "shop.checkout": off({ share: 50 }) });
    const split = (await ask("/shop.checkout", { context })).json();
    assert.deepEqual([split.value, split.reason], [false, "SPLIT"]);
    const missing = await ask("/shop.checkout", { context: {} });
    assert.deepEqual([missing.statusCode, missing.json().errorCode], [400, "TARGETING_KEY_MISSING"]);

    for (const [path, body, status, code] of [
      ["/shop.nothing", {}, 404, "FLAG_NOT_FOUND"],
      // Of another application.
      ["/blog.a", {}, 404, "FLAG_NOT_FOUND"],
      ["/feed.post.create", {}, 404, "FLAG_NOT_FOUND"],
      ["/shop.checkout", { context: "me" }, 400, "INVALID_CONTEXT"],
      ["/shop.checkout", { context: { targetingKey: 7 } }, 400, "INVALID_CONTEXT"],
    ] as const) {
      const answer = await ask(path, body);
      assert.deepEqual([answer.statusCode, answer.json().errorCode], [status, code], path);
    }
    set();
  });

  test("all flags, 304 for what is known, and no reason of an operator anywhere", async () => {
    set({
      "shop.checkout": off({
        reason: "legal says so",
        changedBy: { kind: "operator", id: "x", name: "Zoe" },
      }),
    });
    const context = { targetingKey: "user-1" };
    const first = await ask("", { context });
    assert.deepEqual(
      first.json().flags.map(({ key, value }: { key: string; value: boolean }) => [key, value]),
      [
        ["shop.checkout", false],
        ["shop.hints", true],
      ],
    );
    assert.ok(!first.body.includes("legal") && !first.body.includes("Zoe"));
    const etag = String(first.headers.etag);
    assert.equal((await ask("", { context }, { "if-none-match": etag })).statusCode, 304);
    set({ "tags.optional": off() });
    const next = await ask("", { context }, { "if-none-match": etag });
    assert.equal(next.statusCode, 200);
    assert.deepEqual(
      next.json().flags.map(({ value }: { value: boolean }) => value),
      [true, false],
    );
    set();
  });

  test("a key is needed, with the scope, from its own origins; either of the protocol's two headers does", async () => {
    const status = async (headers: Record<string, string>) =>
      (await app.inject({ method: "POST", url: "/ofrep/v1/evaluate/flags", headers, payload: {} }))
        .statusCode;
    assert.equal(await status({}), 401);
    assert.equal(await status({ "x-api-key": "sba_wrong" }), 401);
    assert.equal(await status({ authorization: `Bearer ${key}` }), 200);
    assert.equal(await status({ "x-api-key": key, origin: "https://shop.example.com" }), 200);
    assert.equal(await status({ "x-api-key": key, origin: "https://evil.example" }), 403);
    const narrow = await application(["shop"]);
    assert.equal(await status({ "x-api-key": narrow }), 403);
    assert.equal((await app.inject({ url: "/v1/switches" })).statusCode, 401);
    const browser = await application(["switches.flag", "shop"]);
    const headers = { "x-api-key": browser };
    assert.equal((await app.inject({ url: "/v1/switches/rules", headers })).statusCode, 403);
    assert.deepEqual((await app.inject({ url: "/v1/switches?unit=device-1", headers })).json(), {
      items: ["shop.checkout", "shop.hints"].map((key) => ({ key, on: true, message: "" })),
      nextCursor: null,
    });
  });

  test("a stream's address that we did not make opens nothing", async () => {
    for (const token of ["", "x", "e30.x"])
      assert.equal((await app.inject({ url: `/ofrep/v1/stream?token=${token}` })).statusCode, 401, token);
  });
});

describe("unmodified OpenFeature clients", () => {
  test("the OFREP server provider", async () => {
    await OpenFeature.setProviderAndWait(
      "ofrep",
      new OFREPProvider({ baseUrl: url, headers: [["X-API-Key", key]] }),
    );
    const client = OpenFeature.getClient("ofrep");
    const context = { targetingKey: "user-1" };
    assert.equal(await client.getBooleanValue("shop.checkout", false, context), true);
    set({ "shop.checkout": off({ message: "soon" }) });
    const details = await client.getBooleanDetails("shop.checkout", true, context);
    assert.deepEqual([details.value, details.variant, details.reason], [false, "off", "STATIC"]);
    const unknown = await client.getBooleanDetails("shop.nothing", true, context);
    assert.deepEqual([unknown.value, unknown.errorCode], [true, "FLAG_NOT_FOUND"]);
    const text = await client.getStringDetails("shop.checkout", "x", context);
    assert.deepEqual([text.value, text.errorCode], ["x", "TYPE_MISMATCH"]);
    set();
  });

  test("the OFREP web provider, which is told of changes", async () => {
    const before = globalThis.EventSource;
    globalThis.EventSource = EventSource as unknown as typeof globalThis.EventSource;
    try {
      const provider = new OFREPWebProvider({
        ...{ baseUrl: url, cacheMode: "disabled" as const, pollInterval: 0 },
        headers: [["X-API-Key", key]],
      });
      await WebOpenFeature.setContext({ targetingKey: "user-1" });
      await WebOpenFeature.setProviderAndWait(provider);
      const client = WebOpenFeature.getClient();
      assert.equal(client.getBooleanValue("shop.checkout", false), true);
      const changed = new Promise<void>((resolve) =>
        client.addHandler(ClientProviderEvents.ConfigurationChanged, () => resolve()),
      );
      // Until its stream is open a change is only seen when asked for.
      let isOff = false;
      const flip = setInterval(() => {
        isOff = !isOff;
        set(isOff ? { "shop.checkout": off() } : {});
      }, 300);
      await changed.finally(() => clearInterval(flip));
      set({ "shop.checkout": off() });
      await until("the page knows", () => client.getBooleanValue("shop.checkout", true) === false, 10_000);
    } finally {
      await WebOpenFeature.close();
      globalThis.EventSource = before;
      set();
    }
  });

  test("our own provider decides by itself, hears of changes at once, and holds what it knows while we are away", async () => {
    let isAway = false;
    const provider = new SignalboxProvider({
      ...{ url, apiKey: key, pollMs: 60_000 },
      fetch: (...args) => (isAway ? Promise.reject(new Error("away")) : fetch(...args)),
    });
    await OpenFeature.setProviderAndWait("own", provider);
    const client = OpenFeature.getClient("own");
    const value = (context: EvaluationContext = { targetingKey: "user-1" }) =>
      client.getBooleanValue("shop.checkout", true, context);
    assert.equal(await value(), true);
    let changes = 0;
    client.addHandler(ProviderEvents.ConfigurationChanged, () => void changes++);
    // The stream opens a moment after the start.
    await until(
      "a change is told",
      async () => {
        set({ "shop.checkout": off({ share: 50, targets: [{ attribute: "region", values: ["DE"] }] }) });
        await new Promise((resolve) => setTimeout(resolve, 50));
        const ours = await value({ targetingKey: "user-1", region: "DE" });
        const theirs = await ask("/shop.checkout", { context: { targetingKey: "user-1", region: "DE" } });
        return changes > 0 && ours === theirs.json().value;
      },
      10_000,
    );
    assert.equal(await value({ targetingKey: "user-1", region: "FR" }), true);
    isAway = true;
    for (let n = 0; n < 50; n++) {
      const context = { targetingKey: `user-${n}`, region: "DE" };
      assert.equal(await value(context), (await ask("/shop.checkout", { context })).json().value);
    }
    const unknown = await client.getBooleanDetails("blog.a", true);
    assert.deepEqual([unknown.value, unknown.errorCode], [true, "FLAG_NOT_FOUND"]);
    set();
  });
});

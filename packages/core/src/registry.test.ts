import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, test } from "node:test";
import { createLogger } from "./log.ts";
import { connectRedis, type Redis } from "./redis.ts";
import { createRegistry, newInstanceId, type Registry, registryKeys } from "./registry.ts";

const log = createLogger({ name: "test", level: "silent" });
const prefix = `test-${randomBytes(6).toString("hex")}`;
let redis: Redis;
const opened: Registry[] = [];

before(async () => {
  const { TEST_REDIS_URL } = process.env;
  if (!TEST_REDIS_URL) throw new Error("TEST_REDIS_URL must name a Redis");
  redis = connectRedis(TEST_REDIS_URL);
  await redis.ping();
});
after(async () => {
  await Promise.all(opened.map((registry) => registry.close()));
  const keys = await redis.keys(`${prefix}:*`);
  if (keys.length > 0) await redis.del(...keys);
  redis.disconnect();
});

const instance = (id: string, role = "all"): Parameters<typeof createRegistry>[0]["instance"] => ({
  id,
  name: "api",
  role,
  version: "1.0.0",
  track: "stable",
  zone: "local",
  pid: 1,
  address: null,
  startedAt: "2030-01-01T00:00:00.000Z",
});

function open(id: string, options: Partial<Parameters<typeof createRegistry>[0]> = {}): Registry {
  const registry = createRegistry({
    redis,
    log,
    instance: instance(id),
    prefix,
    beatMs: 50,
    ttlMs: 250,
    ...options,
  });
  opened.push(registry);
  return registry;
}

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

test("whoever beats is listed with what it says; whoever stops is dropped", async () => {
  const a = open("a", { describe: () => ({ revision: 7, health: "warn" }) });
  const b = open("b");
  await Promise.all([a.start(), b.start()]);
  await sleep(200);
  const both = await a.list();
  assert.deepEqual(
    both?.map(({ id, revision, health }) => [id, revision, health]),
    [
      ["a", 7, "warn"],
      ["b", null, "pass"],
    ],
  );
  assert.equal(a.count(), 2);
  await b.close();
  assert.deepEqual(
    (await a.list())?.map(({ id }) => id),
    ["a"],
  );

  // Killed: it says no more, but nobody took it out.
  const dying = createRegistry({ redis, log, instance: instance("c"), prefix, beatMs: 60_000, ttlMs: 250 });
  await dying.beat();
  assert.equal((await a.list())?.length, 2);
  await sleep(450);
  assert.deepEqual(
    (await a.list())?.map(({ id }) => id),
    ["a"],
  );
});

test("a registry that was emptied says unknown until everyone has had the time to come back", async () => {
  const a = open("d");
  await a.start();
  await sleep(150);
  assert.ok(await a.list());
  await redis.del(...Object.values(registryKeys(prefix)));
  assert.equal(await a.list(), undefined);
  await sleep(200);
  assert.ok(await a.list());
});

test("without Redis nobody knows, and a count is never below one", async () => {
  const away = connectRedis("redis://127.0.0.1:1");
  const lonely = open("e", { redis: away });
  await lonely.start();
  assert.equal(await lonely.list(), undefined);
  assert.equal(lonely.count(), 1);
  await lonely.close();
  away.disconnect();
});

test("ids can be read by people and differ", () => {
  assert.match(newInstanceId("api"), /^api-[0-9a-f]{8}$/);
  assert.notEqual(newInstanceId("api"), newInstanceId("api"));
});

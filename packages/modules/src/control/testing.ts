// Two processes of the platform on real engines, as operators see them. Of each test file its own.

import { randomBytes } from "node:crypto";
import { createLive, type Live } from "@signalbox/control/live";
import { quiet, startTestEngines, type TestEngines, until } from "@signalbox/control/testing";
import { createCache } from "@signalbox/core/cache/cache";
import { createQueues } from "@signalbox/core/queue/queues";
import { createRegistry } from "@signalbox/core/registry";
import { createDependencies } from "@signalbox/core/resilience/dependencies";
import { createSignals } from "@signalbox/core/signals/signals";
import { createGateway } from "@signalbox/gateway";
import type { Actor, Ctx, Deps } from "../ctx.ts";
import { entities } from "../entities.ts";
import { ctxOf } from "../testing.ts";
import { type ControlPlane, openPlane, operatorRouter } from "./index.ts";

export const secret = randomBytes(32);
export const ann: Actor = { kind: "operator", id: "ann", name: "Ann", role: "admin" };

export type Process = { live: Live; plane: ControlPlane; ctx: Ctx; close(): Promise<void> };

export let engines: TestEngines;
export let api: Process;
export let workers: Process;

/** A process of the platform, as far as operators can tell. */
export async function start(
  name: string,
  role: string,
  redis = engines.connect(),
  prefix = engines.prefix,
): Promise<Process> {
  const { db, sql } = engines.database;
  const dataDir = `${engines.dataDir}/${name}`;
  const log = quiet;
  const instance = { id: `${name}-1`, name, version: "1.0.0", track: "stable" as const, zone: "local" };
  const live = createLive({ log, sql, redis, secret, dataDir, instance, prefix });
  await live.start();
  const signals = createSignals({ redis, log, instance, prefix });
  signals.start();
  const registry = createRegistry({
    redis,
    log,
    prefix,
    instance: { ...instance, role, address: null, pid: 1, startedAt: new Date().toISOString() },
    describe: () => ({ revision: live.revision }),
  });
  await registry.start();
  const gateway = createGateway({ live, redis, log, instance, signals, prefix });
  const cacheRedis = redis.duplicate({ keyPrefix: `${prefix}:` });
  cacheRedis.on("error", () => {});
  const cache = createCache({
    redis: cacheRedis,
    log,
    source: { db, sql },
    entities,
    instance: instance.id,
    settings: () => live.rules().cacheAt(Date.now()),
  });
  await cache.start();
  const deps: Deps = {
    db,
    sql,
    shared: { db, sql },
    watch: sql,
    redis,
    cache,
    log,
    live,
    gateway,
    isOverloaded: gateway.isOverloaded,
    limiter: gateway.limiter,
    mailer: { server: null, send: async () => {}, close() {} },
    queues: createQueues({ url: process.env.TEST_REDIS_URL!, log, prefix }),
    dependencies: createDependencies({
      log,
      forced: (name) => live.rules().forced(name, Date.now()),
    }),
    passwordCost: { memoryCost: 19_456, timeCost: 2, parallelism: 1 },
    signals,
    registry,
    // Not asked by any of these procedures.
    revocations: undefined as unknown as Deps["revocations"],
    secret,
    instance,
    publicUrl: "http://127.0.0.1:8080",
    now: () => new Date(),
  };
  deps.dependencies.open({ name: "smtp", title: "the mail server" });
  signals.watchParts(() => ({ lanes: gateway.lanes(), dependencies: deps.dependencies.list() }));
  const plane = openPlane(deps, { prefix });
  return {
    live,
    plane,
    ctx: ctxOf(deps, ann),
    async close() {
      await plane.close();
      await deps.queues.close(100);
      await cache.close();
      cacheRedis.disconnect();
      await registry.close();
      await gateway.close();
      await signals.close();
      await live.close();
    },
  };
}

export const as = (actor: Actor = ann, { ctx } = api) =>
  operatorRouter.createCaller({ ...ctx, actor, answer: { headers: {} } } as Ctx);

export async function open(): Promise<void> {
  engines = await startTestEngines();
  api = await start("api", "all");
  await startWorkers();
}

/** The second of the two, at first and again. */
export async function startWorkers(): Promise<void> {
  workers = await start("workers", "worker");
  await until("the registry knows both", async () => (await api.ctx.registry.list())?.length === 2);
}

export async function close(): Promise<void> {
  await Promise.all([api, workers].filter(Boolean).map((one) => one.close()));
  await engines?.close();
}

// A whole platform in one process for tests: real Postgres and Redis, the real procedures, and jobs that run when told to.

import { randomBytes } from "node:crypto";
import { fixedLive } from "@signalbox/control/live";
import type { SettingsInput } from "@signalbox/control/settings";
import { createCache } from "@signalbox/core/cache/cache";
import { newId } from "@signalbox/core/ids";
import { createLogger } from "@signalbox/core/log";
import { createMailer } from "@signalbox/core/mail";
import { connectRedis } from "@signalbox/core/redis";
import { createRegistry } from "@signalbox/core/registry";
import { createDependencies } from "@signalbox/core/resilience/dependencies";
import { createSignals } from "@signalbox/core/signals/signals";
import { childOf, formatTraceparent } from "@signalbox/core/trace-context";
import { connectDatabase } from "@signalbox/db";
import { createTestDatabase } from "@signalbox/db/testing";
import { createLimiter } from "@signalbox/gateway/limiter";
import { createRevocations, defaultPasswordCost } from "./auth/index.ts";
import type { Actor, Ctx, Deps } from "./ctx.ts";
import { entities } from "./entities.ts";
import { appRouter, jobs } from "./index.ts";
import { keepMail } from "./mail/index.ts";
import { drainOutbox } from "./run-jobs.ts";

export { badToken, badTokens, type OwnToken, tokenLike } from "./auth/bad-tokens.ts";

type Caller = ReturnType<typeof appRouter.createCaller>;

export type World = {
  deps: Deps;
  guest(): Caller;
  as(actor: Actor): Caller;
  /** Registers on first mention; the same person afterwards. */
  user(handle: string): Promise<Caller>;
  /** Delivers every event that was written and runs the jobs: afterwards readers see what was done. */
  settle(): Promise<void>;
  close(): Promise<void>;
};

export async function testWorld(
  options: { settings?: SettingsInput; deps?: Partial<Deps> } = {},
): Promise<World> {
  const database = await createTestDatabase();
  const { db, sql, watch, shared, close } = connectDatabase(database.url, { name: "test", poolSize: 3 });
  if (!process.env.TEST_REDIS_URL)
    throw new Error("TEST_REDIS_URL is not set: run the tests with ./signalbox test");
  const redis = connectRedis(process.env.TEST_REDIS_URL, { keyPrefix: `${newId()}:` });
  const log = createLogger({ name: "test", level: process.env.LOG_LEVEL ?? "silent" });
  const instance = { id: newId(), name: "test", version: "test", track: "stable", zone: "test" } as const;
  const secret = randomBytes(32);
  const live = options.deps?.live ?? fixedLive(options.settings);
  const cache = createCache({
    redis,
    log,
    source: shared,
    entities,
    instance: instance.id,
    settings: () => live.rules().cacheAt(Date.now()),
  });
  await cache.start();
  const dependencies = createDependencies({ log, forced: (name) => live.rules().forced(name, Date.now()) });
  const limiter = createLimiter({ redis, prefix: newId() });
  const deps: Deps = {
    db,
    sql,
    shared,
    watch,
    redis,
    cache,
    log,
    live,
    gateway: (_call, next) => next(),
    isOverloaded: () => false,
    limiter,
    mailer: createMailer({
      smtpUrl: undefined,
      from: "signalbox@localhost",
      keep: (mail) => keepMail({ db, sql, secret }, mail),
      dependencies,
    }),
    dependencies,
    passwordCost: defaultPasswordCost,
    revocations: createRevocations({ sql, redis, log }),
    secret,
    instance,
    signals: createSignals({ redis, log, instance }),
    registry: createRegistry({
      redis,
      log,
      instance: {
        ...instance,
        role: "all",
        address: null,
        pid: process.pid,
        startedAt: new Date().toISOString(),
      },
    }),
    publicUrl: "http://127.0.0.1:8080",
    now: () => new Date(),
    ...options.deps,
  };

  const as = (actor: Actor): Caller => appRouter.createCaller(ctxOf(deps, actor));
  const people = new Map<string, Promise<Caller>>();

  return {
    deps,
    guest: () => as({ kind: "guest" }),
    as,
    user(handle) {
      let person = people.get(handle);
      if (!person) {
        const input = { handle, email: `${handle}@example.test`, password: `the phrase of ${handle}` };
        person = as({ kind: "guest" })
          .auth.account.register(input)
          .then(({ user }) => as({ kind: "user", id: user.id, sessionId: newId() }));
        people.set(handle, person);
      }
      return person;
    },
    settle: () => drainOutbox(deps, jobs),
    async close() {
      await limiter.close();
      await cache.close();
      redis.disconnect();
      await close();
      await database.drop();
    },
  };
}

export const ctxOf = (deps: Deps, actor: Actor): Ctx => ({
  ...deps,
  actor,
  requestId: newId(),
  traceparent: formatTraceparent(childOf(undefined)),
  variant: "stable",
  address: "127.0.0.1",
  userAgent: "test",
  answer: { headers: {} },
});

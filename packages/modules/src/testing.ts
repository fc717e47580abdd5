// A whole platform in one process for tests: real Postgres and Redis, the real procedures, and jobs that run when told to.

import { randomBytes } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { fixedLive } from "@signalbox/control/live";
import type { SettingsInput } from "@signalbox/control/settings";
import { createCache } from "@signalbox/core/cache/cache";
import { newId } from "@signalbox/core/ids";
import { createLogger } from "@signalbox/core/log";
import { createMailer } from "@signalbox/core/mail";
import type { Queues } from "@signalbox/core/queue/definition";
import { createQueues } from "@signalbox/core/queue/queues";
import { connectRedis } from "@signalbox/core/redis";
import { createRegistry } from "@signalbox/core/registry";
import { createDependencies } from "@signalbox/core/resilience/dependencies";
import { createSignals } from "@signalbox/core/signals/signals";
import { childOf, formatTraceparent } from "@signalbox/core/trace-context";
import { connectDatabase } from "@signalbox/db";
import { createTestDatabase } from "@signalbox/db/testing";
import { createLimiter } from "@signalbox/gateway/limiter";
import { createRevocations, defaultPasswordCost } from "./auth/index.ts";
import { closePlane } from "./control/plane.ts";
import type { Actor, Ctx, Deps } from "./ctx.ts";
import { entities } from "./entities.ts";
import { appRouter, jobs, work } from "./index.ts";
import { keepMail } from "./mail/index.ts";
import { drainOutbox } from "./run-jobs.ts";
import { startWork } from "./work.ts";

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
  options: { settings?: SettingsInput; deps?: Partial<Deps>; poolSize?: number } = {},
): Promise<World> {
  const database = await createTestDatabase();
  const { db, sql, watch, shared, close } = connectDatabase(database.url, {
    name: "test",
    poolSize: options.poolSize ?? 3,
  });
  if (!process.env.TEST_REDIS_URL)
    throw new Error("TEST_REDIS_URL is not set: run the tests with ./signalbox test");
  // On a machine that is busy with other tests an answer takes its time.
  const redis = connectRedis(process.env.TEST_REDIS_URL, {
    keyPrefix: `${newId()}:`,
    commandTimeout: 30_000,
  });
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
  const queues = countAdded(createQueues({ url: process.env.TEST_REDIS_URL, log, prefix: newId() }));
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
      keep: (mail) => keepMail({ db, shared, secret }, mail),
      dependencies,
    }),
    queues,
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
    async settle() {
      do await drainOutbox(deps, jobs);
      while (await queues.drain(deps));
    },
    async close() {
      await closePlane(live);
      await queues.close();
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

/** The real queues, which begin to work with the first job; `drain` waits until all that was added is done. */
function countAdded(queues: Queues): Queues & { drain(deps: Deps): Promise<boolean> } {
  let [added, isWorking] = [0, false];
  return {
    ...queues,
    add(...words) {
      added += 1;
      const [definition, ...rest] = words;
      // Jobs are run one after the other here: none would find company.
      return queues.add({ ...definition, gatherMs: 0 }, ...rest);
    },
    async drain(deps) {
      if (added === 0) return false;
      added = 0;
      // One after the other, so that a test knows what came last.
      if (!isWorking)
        startWork(
          deps,
          work.map((each) => ({ ...each, queue: { ...each.queue, concurrency: 1 } })),
        );
      isWorking = true;
      for (const { queue } of work)
        for (;;) {
          // What is switched off waits for longer than a test.
          const isOff = deps.live.rules().offForAll(queue.name, deps.now().getTime());
          const { ready, active } = await queues.depth(queue);
          if ((isOff ? 0 : ready) + active === 0) break;
          await pause(5);
        }
      return true;
    },
  };
}

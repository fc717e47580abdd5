// What a process of the platform opens at its start and closes at its end: the same for api, workers and tools.

import { readFileSync } from "node:fs";
import { inTime } from "@signalbox/control/in-time";
import { createLive, type Live } from "@signalbox/control/live";
import { createCache } from "@signalbox/core/cache/cache";
import { type Config, ConfigError } from "@signalbox/core/config";
import type { Logger } from "@signalbox/core/log";
import { createMailer } from "@signalbox/core/mail";
import { createQueues } from "@signalbox/core/queue/queues";
import { connectRedis, whenReady } from "@signalbox/core/redis";
import { createRegistry, type InstanceHealth, newInstanceId } from "@signalbox/core/registry";
import { createDependencies } from "@signalbox/core/resilience/dependencies";
import type { Shutdown } from "@signalbox/core/shutdown";
import { createSignals } from "@signalbox/core/signals/signals";
import { startTelemetry } from "@signalbox/core/telemetry";
import { localKms } from "@signalbox/core/vault";
import { connectDatabase } from "@signalbox/db";
import { openReplicas } from "@signalbox/db/replicas";
import { createGateway } from "@signalbox/gateway";
import { createUpstreams } from "@signalbox/gateway/upstreams/index";
import { createRevocations } from "./auth/index.ts";
import type { Deps } from "./ctx.ts";
import { createElsewhere } from "./elsewhere.ts";
import { entities } from "./entities.ts";
import { catalogue } from "./index.ts";
import { keepMail } from "./mail/index.ts";
import { nameError } from "./trpc.ts";

export type Place = {
  /** What the process does in the registry. */
  role: string;
  /** Where its traffic goes, if any does. */
  address?: string | null;
  /** Of a service: the modules that gateways call there. Of a gateway: those that run in it. */
  services?: readonly string[];
  /** Asked each second, for the registry. */
  health?: () => Promise<InstanceHealth>;
};

const startPatienceMs = 1_500;

/** A service joins the registry when it listens: `registry.start()` is left to its main.ts. */
export async function openDeps(
  config: Config,
  { log, shutdown, role, address = null, services = [], health }: { log: Logger; shutdown: Shutdown } & Place,
): Promise<Deps> {
  const secret = readSecret(config);
  const masterKeys = readMasterKeys(config);
  const keys = masterKeys ? { kms: localKms([...masterKeys, secret]) } : {};
  const instance = {
    id: newInstanceId(config.SIGNALBOX_NAME),
    name: config.SIGNALBOX_NAME,
    version: config.SIGNALBOX_VERSION,
    track: config.SIGNALBOX_TRACK,
    zone: config.SIGNALBOX_ZONE,
  };
  const telemetry = await startTelemetry({
    endpoint: config.OTEL_EXPORTER_OTLP_ENDPOINT,
    service: instance.name,
    version: instance.version,
    instance: instance.id,
    log,
  });
  shutdown.add("telemetry", () => telemetry.close());

  // The settings come from the parts that they have a word on.
  let settings: Live | undefined;
  const dependencies = createDependencies({
    log,
    forced: (name) => settings?.rules().forced(name, Date.now()),
  });
  const { db, sql, watch, shared, pool, hangs, close } = connectDatabase(config.DATABASE_URL, {
    name: `signalbox ${config.SIGNALBOX_NAME}`,
    poolSize: config.SIGNALBOX_POOL_SIZE,
    breaker: dependencies.open({ name: "postgres", title: "the database", minCalls: 5 }).breaker,
  });
  shutdown.add("postgres", close);

  const redis = connectRedis(config.REDIS_URL, {
    onError: (error) => log.debug({ error }, "redis is away"),
    // The connection itself tries whether Redis is back: calls need not, unless it should miss that.
    breaker: dependencies.open({
      name: "redis",
      title: "Redis",
      minCalls: 5,
      openMs: 5_000,
      maxOpenMs: 5_000,
    }).breaker,
  });
  shutdown.add("redis", () => redis.disconnect());
  await whenReady(redis, startPatienceMs);

  const live = createLive({
    ...{ log, sql: watch, redis, secret, instance, tagsOf: catalogue().tagsOf },
    dataDir: config.SIGNALBOX_DATA_DIR,
  });
  shutdown.add("live settings", () => live.close());
  settings = live;
  await live.start();

  const urls = config.DATABASE_REPLICA_URLS;
  // Workers decide by what they read, and so they read the primary.
  const replicas =
    urls.length > 0 && role !== "worker"
      ? openReplicas({
          ...{ urls, primary: watch, dependencies, log },
          name: `signalbox ${config.SIGNALBOX_NAME}`,
          poolSize: config.SIGNALBOX_POOL_SIZE,
          maxLagMs: () => live.rules().number("database.replicaLagMs", Date.now()),
        })
      : undefined;
  if (replicas) shutdown.add("replicas", () => replicas.close());

  const cache = createCache({
    redis,
    log,
    source: shared,
    entities,
    instance: instance.id,
    settings: () => live.rules().cacheAt(Date.now),
  });
  shutdown.add("cache", () => cache.close());
  await cache.start();

  const signals = createSignals({ redis, log, instance: { ...instance, role } });
  shutdown.add("signals", () => signals.close());
  signals.watchPool(pool);
  signals.start();

  const registry = createRegistry({
    redis,
    log,
    instance: {
      ...instance,
      role,
      address,
      services: role === "service" ? [...services] : [],
      pid: process.pid,
      startedAt: new Date().toISOString(),
    },
    describe: async () => ({
      revision: live.revision,
      overridden: live.status().overridden,
      load: signals.inFlight,
      ejected: upstreams?.ejected() ?? [],
      ...(health ? { health: await health() } : {}),
    }),
  });
  shutdown.add("registry", () => registry.close());
  const upstreams =
    role === "gateway" ? createUpstreams({ registry, live, dependencies, log, secret, instance }) : undefined;
  if (upstreams) shutdown.add("upstreams", () => upstreams.close());
  if (role !== "service") await registry.start();

  const gateway = createGateway({
    live,
    redis,
    log,
    signals,
    instance,
    instances: () => registry.count(),
    isBehind: role === "service",
    poolWaiting: () => pool().waiting,
    databaseHangs: hangs,
    nameError,
  });
  signals.watchParts(() => ({ lanes: gateway.lanes(), dependencies: dependencies.list() }));
  shutdown.add("gateway", () => gateway.close());

  const mailer = createMailer({
    smtpUrl: config.SMTP_URL,
    from: config.SIGNALBOX_MAIL_FROM,
    keep: (mail) => keepMail({ db, shared, secret, ...keys }, mail),
    dependencies,
  });
  shutdown.add("mailer", () => mailer.close());

  const queues = createQueues({ url: config.REDIS_URL, log });
  shutdown.add("queues", () => queues.close(5_000));

  const revocations = createRevocations({ sql: watch, redis, log });
  shutdown.add("revocations", () => revocations.close());
  // It goes on asking: a database that hangs must not keep the doors shut.
  await inTime(revocations.start(), startPatienceMs).catch(() => {});

  return {
    db,
    sql,
    shared,
    watch,
    ...(replicas ? { replicas } : {}),
    redis,
    cache,
    log,
    live,
    gateway,
    isOverloaded: gateway.isOverloaded,
    limiter: gateway.limiter,
    mailer,
    queues,
    dependencies,
    passwordCost: {
      memoryCost: config.SIGNALBOX_ARGON2_KIB,
      timeCost: config.SIGNALBOX_ARGON2_PASSES,
      parallelism: 1,
    },
    signals,
    registry,
    revocations,
    secret,
    ...keys,
    instance,
    publicUrl: config.SIGNALBOX_PUBLIC_URL,
    regions: config.SIGNALBOX_REGIONS,
    ...(upstreams ? { elsewhere: createElsewhere(upstreams, new Set(services)) } : {}),
    now: () => new Date(),
  };
}

/** The secret's text is the key, so that a file and a variable mean the same. */
function readSecret(config: Config): Buffer {
  if (config.SIGNALBOX_SECRET !== undefined) return Buffer.from(config.SIGNALBOX_SECRET);
  const file = config.SIGNALBOX_SECRET_FILE;
  if (file === undefined)
    throw new ConfigError(
      "Neither SIGNALBOX_SECRET_FILE nor SIGNALBOX_SECRET is set; one of them must name the install's master secret.",
    );
  return Buffer.from(readTrimmed(file, "SIGNALBOX_SECRET_FILE"));
}

/** One key a line, the newest first; the install's secret, which wraps where there is no such file, always unwraps. */
function readMasterKeys(config: Config): [Buffer, ...Buffer[]] | undefined {
  const file = config.SIGNALBOX_MASTER_KEY_FILE;
  if (file === undefined) return undefined;
  const lines = readTrimmed(file, "SIGNALBOX_MASTER_KEY_FILE").split(/\s+/);
  if (lines.some((line) => line.length < 32))
    throw new ConfigError(
      `SIGNALBOX_MASTER_KEY_FILE names ${file}, where a line holds fewer than 32 characters.`,
    );
  const [first = "", ...older] = lines;
  return [Buffer.from(first), ...older.map((line) => Buffer.from(line))];
}

export function readOperatorToken(config: Config): string | undefined {
  const file = config.SIGNALBOX_OPERATOR_TOKEN_FILE;
  return file === undefined ? undefined : readTrimmed(file, "SIGNALBOX_OPERATOR_TOKEN_FILE");
}

function readTrimmed(file: string, variable: string): string {
  let text: string;
  try {
    text = readFileSync(file, "utf8").trim();
  } catch (error) {
    throw new ConfigError(
      `${variable} names ${file}, which can not be read: ${error instanceof Error ? error.message : error}`,
    );
  }
  if (text.length < 32)
    throw new ConfigError(`${variable} names ${file}, which holds fewer than 32 characters.`);
  return text;
}

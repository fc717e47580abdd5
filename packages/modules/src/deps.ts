// What a process of the platform opens at its start and closes at its end: the same for api, workers and tools.

import { readFileSync } from "node:fs";
import { createLive } from "@signalbox/control/live";
import { type Config, ConfigError } from "@signalbox/core/config";
import { newId } from "@signalbox/core/ids";
import type { Logger } from "@signalbox/core/log";
import { connectRedis } from "@signalbox/core/redis";
import type { Shutdown } from "@signalbox/core/shutdown";
import { connectDatabase } from "@signalbox/db";
import { createGateway } from "@signalbox/gateway";
import { createRevocations } from "./auth/index.ts";
import type { Deps } from "./ctx.ts";
import { nameError } from "./trpc.ts";

export async function openDeps(
  config: Config,
  { log, shutdown }: { log: Logger; shutdown: Shutdown },
): Promise<Deps> {
  const secret = readSecret(config);
  const { db, sql, close } = connectDatabase(config.DATABASE_URL, {
    name: `signalbox ${config.SIGNALBOX_NAME}`,
    poolSize: config.SIGNALBOX_POOL_SIZE,
  });
  shutdown.add("postgres", close);

  const redis = connectRedis(config.REDIS_URL, { onError: (error) => log.debug({ error }, "redis is away") });
  shutdown.add("redis", () => redis.disconnect());

  const instance = {
    id: `${config.SIGNALBOX_NAME}-${newId().slice(-12)}`,
    name: config.SIGNALBOX_NAME,
    version: config.SIGNALBOX_VERSION,
    track: config.SIGNALBOX_TRACK,
    zone: config.SIGNALBOX_ZONE,
  };
  const live = createLive({ log, sql, redis, secret, dataDir: config.SIGNALBOX_DATA_DIR, instance });
  shutdown.add("live settings", () => live.close());
  await live.start();

  const revocations = createRevocations({ sql, redis, log });
  shutdown.add("revocations", () => revocations.close());
  await revocations.start();

  return {
    db,
    sql,
    redis,
    log,
    live,
    gateway: createGateway({ live, redis, log, instance, nameError }),
    revocations,
    secret,
    instance,
    publicUrl: config.SIGNALBOX_PUBLIC_URL,
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

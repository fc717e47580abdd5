// The list of what an install runs, in the order in which it starts. Everything else takes it as data.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { type Configuration, machineEnvironment } from "./configuration.ts";
import { buildConsole, consoleFolder, consoleLaunch } from "./console-build.ts";
import { type DataDir, readSecret } from "./data-dir.ts";
import { embeddedDatabaseUrl, postgresAccepts, preparePostgres } from "./engines/postgres.ts";
import { pingRedis, prepareRedis, requireAnsweringRedis, requireRedis } from "./engines/redis.ts";
import { Fault } from "./fault.ts";
import type { Ports } from "./ports.ts";
import type { Answer } from "./prepare-database.ts";
import { commit, platformVersion, root } from "./repository.ts";
import { mark } from "./supervisor/left-behind.ts";
import { openLog } from "./supervisor/log-file.ts";
import { answers, type Launch, type Role, type Step } from "./supervisor/role.ts";
import type { Addresses } from "./supervisor/supervisor.ts";

export type InstallOptions = {
  dataDir: string;
  portBase: number;
  host: string;
  console: boolean;
  watch: boolean;
};

export type Plan = { addresses: Addresses; steps: Step[] };

type Setting = {
  dir: DataDir;
  ports: Ports;
  options: InstallOptions;
  configuration: Configuration;
  databaseUrl: string;
  redisUrl: string;
};

export function planInstall(
  dir: DataDir,
  ports: Ports,
  options: InstallOptions,
  configuration: Configuration,
): Plan {
  const password = readSecret(dir.postgresPassword);
  const databaseUrl = configuration.DATABASE_URL ?? embeddedDatabaseUrl(ports.postgres, password);
  const redisUrl = configuration.REDIS_URL ?? `redis://127.0.0.1:${ports.redis}`;
  const setting: Setting = { dir, ports, options, configuration, databaseUrl, redisUrl };
  const near = `http://${options.host.includes(":") ? "[::1]" : "127.0.0.1"}`;
  return {
    addresses: {
      version: platformVersion(),
      commit: commit(),
      api: `${near}:${ports.gateway}`,
      operator: `${near}:${ports.operator}`,
      console: options.console ? `${near}:${ports.console}` : null,
      postgres: databaseUrl.replace(/\/$/, ""),
      redis: redisUrl.replace(/\/$/, ""),
      operatorToken: dir.operatorToken,
    },
    steps: [
      ...(options.console && !options.watch
        ? [{ kind: "task" as const, name: "console build", run: buildConsole }]
        : []),
      ...engineSteps(setting, password),
      { kind: "task", name: "database", run: () => prepareDatabase(setting) },
      {
        kind: "roles",
        roles: [
          platformRole(setting, "relay", "apps/workers/src/relay.ts", ports.relay),
          platformRole(setting, "workers", "apps/workers/src/main.ts", ports.workers),
        ],
      },
      {
        kind: "roles",
        roles: [
          platformRole(setting, "api", "apps/api/src/main.ts"),
          ...(options.console ? [consoleRole(setting)] : []),
        ],
      },
    ],
  };
}

function engineSteps({ dir, ports, configuration, redisUrl }: Setting, password: string): Step[] {
  const steps: Step[] = [];
  const roles: Role[] = [];
  let launchPostgres: (() => Launch) | undefined;
  let launchRedis: (() => Launch) | undefined;
  const engine = { readyWithinMs: 60_000, stopWithinMs: 3500 };
  if (!configuration.DATABASE_URL) {
    const run = async () => {
      launchPostgres = await preparePostgres({ folder: dir.postgres, port: ports.postgres, password });
    };
    if (!existsSync(join(dir.postgres, "PG_VERSION")))
      steps.push({ kind: "task", name: "new database", run });
    roles.push({
      name: "postgres",
      launch: () => marked(launchPostgres!(), dir),
      isReady: () => postgresAccepts(ports.postgres),
      stopSignal: "SIGINT",
      ...engine,
    });
    if (!steps.length) steps.push({ kind: "quiet", run });
  }
  if (configuration.REDIS_URL)
    steps.push({ kind: "task", name: "redis check", run: () => requireAnsweringRedis(redisUrl) });
  else {
    steps.push({
      kind: "quiet",
      run: async (say) => {
        launchRedis = prepareRedis(await requireRedis(say), dir.redis, ports.redis);
      },
    });
    roles.push({
      name: "redis",
      launch: () => marked(launchRedis!(), dir),
      isReady: async () => (await pingRedis(redisUrl)) === "ready",
      stopSignal: "SIGTERM",
      ...engine,
    });
  }
  return roles.length ? [...steps, { kind: "roles", roles }] : steps;
}

const marked = (launch: Launch, dir: DataDir): Launch => ({
  ...launch,
  env: { ...launch.env, [mark]: dir.path },
});

function environment(setting: Setting, configuration: Configuration): Record<string, string> {
  const { dir, ports, options, databaseUrl, redisUrl } = setting;
  return {
    ...machineEnvironment(),
    SIGNALBOX_PUBLIC_URL: `http://127.0.0.1:${ports.gateway}`,
    SIGNALBOX_CONSOLE_URL: `http://127.0.0.1:${ports.console}`,
    ...configuration,
    NODE_ENV: options.watch ? "development" : "production",
    DATABASE_URL: databaseUrl,
    DATABASE_DIRECT_URL: configuration.DATABASE_DIRECT_URL ?? databaseUrl,
    REDIS_URL: redisUrl,
    SIGNALBOX_HOST: options.host,
    SIGNALBOX_GATEWAY_PORT: String(ports.gateway),
    SIGNALBOX_OPERATOR_PORT: String(ports.operator),
    SIGNALBOX_DATA_DIR: dir.path,
    SIGNALBOX_SECRET_FILE: dir.masterKey,
    SIGNALBOX_OPERATOR_TOKEN_FILE: dir.operatorToken,
    SIGNALBOX_VERSION: platformVersion(),
    SIGNALBOX_COMMIT: commit(),
    [mark]: dir.path,
  };
}

async function prepareDatabase(setting: Setting): Promise<void> {
  const log = openLog(setting.dir.log("database"));
  const create = setting.configuration.DATABASE_URL ? [] : ["--create"];
  const child = spawn(process.execPath, [join(root, "apps/cli/src/prepare-database.ts"), ...create], {
    cwd: root,
    env: environment(setting, setting.configuration),
    stdio: ["ignore", log, log, "ipc"],
  });
  const answer = await new Promise<Answer>((resolve) => {
    child.once("message", (message) => resolve(message as Answer));
    child.once("exit", (code, signal) =>
      resolve({
        message: `The database could not be prepared (${signal ?? `exit ${code}`}).`,
        mend: "See: ./signalbox logs database",
      }),
    );
  });
  if ("message" in answer) throw new Fault(answer.message, answer.mend);
}

// Small heaps for what idles beside the api, whose own heap is left alone: it carries the load.
const smallHeap = ["--max-semi-space-size=4", "--max-old-space-size=384"];

function platformRole(setting: Setting, name: string, main: string, healthPort?: number): Role {
  const { configuration, options, ports } = setting;
  return {
    name,
    configuration,
    launch: (chosen) => ({
      command: process.execPath,
      args: [...(options.watch ? ["--watch"] : []), ...(name === "api" ? [] : smallHeap), join(root, main)],
      cwd: root,
      env: {
        ...environment(setting, chosen),
        ...(healthPort !== undefined && { SIGNALBOX_HEALTH_PORT: String(healthPort) }),
      },
    }),
    isReady: () => answers(`http://127.0.0.1:${healthPort ?? ports.gateway}/readyz`),
    readyWithinMs: 30_000,
    stopSignal: "SIGTERM",
    stopWithinMs: 4000,
  };
}

function consoleRole(setting: Setting): Role {
  const { configuration, options, ports } = setting;
  return {
    name: "console",
    configuration,
    launch: (chosen) => {
      const { args, cwd } = consoleLaunch(options.watch, ports.console, options.host);
      return {
        command: process.execPath,
        args: [...smallHeap, ...args],
        cwd,
        env: {
          ...environment(setting, chosen),
          PORT: String(ports.console),
          HOSTNAME: options.host,
          SIGNALBOX_OPERATOR_URL: `http://127.0.0.1:${ports.operator}`,
          NEXT_TELEMETRY_DISABLED: "1",
        },
      };
    },
    isReady: () => answers(`http://127.0.0.1:${ports.console}/`),
    readyWithinMs: 60_000,
    stopSignal: "SIGTERM",
    stopWithinMs: 2000,
  };
}

export const hasConsole = () => existsSync(join(consoleFolder, "src", "app"));

// The list of what an install runs, in the order in which it starts. Everything else takes it as data.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { newRecoveryKey } from "./backup/recovery-key.ts";
import { type Configuration, machineEnvironment } from "./configuration.ts";
import { buildConsole, consoleFolder, consoleLaunch } from "./console-build.ts";
import { type DataDir, readSecret, secretOnce } from "./data-dir.ts";
import { embeddedDatabaseUrl, postgresAccepts, preparePostgres } from "./engines/postgres.ts";
import { pingRedis, prepareRedis, requireAnsweringRedis, requireRedis } from "./engines/redis.ts";
import { Fault } from "./fault.ts";
import { nodeFlags } from "./node-flags.ts";
import type { Ports } from "./ports.ts";
import type { Answer } from "./prepare-database.ts";
import { commit, platformVersion, root } from "./repository.ts";
import { mark } from "./supervisor/left-behind.ts";
import { closeLog, openLog } from "./supervisor/log-file.ts";
import { answers, type Launch, type Role, type Step, type Task } from "./supervisor/role.ts";
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
      ...engineSteps(setting, password),
      { kind: "task", name: "database", run: (_say, signal) => prepareDatabase(setting, signal) },
      ...(options.console && !options.watch ? [consoleBuildStep(dir)] : []),
      {
        kind: "roles",
        roles: [
          platformRole(setting, "relay", "apps/workers/src/relay.ts", ports.relay),
          platformRole(setting, "workers", "apps/workers/src/main.ts", ports.workers),
          ...(configuration.SIGNALBOX_BACKUP_DIR ? [backupRole(setting)] : []),
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

const consoleBuildStep = (dir: DataDir): Step => ({
  kind: "task",
  name: "console build",
  run: (say, signal) => buildConsole(say, signal, { [mark]: dir.path, SIGNALBOX_NAME: "console build" }),
});

// First what is quickly wrong, before anything is made.
function engineSteps(setting: Setting, password: string): Step[] {
  const { configuration, redisUrl } = setting;
  const engines = [
    ...(configuration.DATABASE_URL ? [] : [postgresEngine(setting, password)]),
    ...(configuration.REDIS_URL ? [] : [redisEngine(setting)]),
  ];
  return [
    ...(configuration.REDIS_URL
      ? [{ kind: "task" as const, name: "redis check", run: () => requireAnsweringRedis(redisUrl) }]
      : []),
    ...engines.map(({ prepare }) => prepare),
    ...(engines.length ? [{ kind: "roles" as const, roles: engines.map(({ role }) => role) }] : []),
  ];
}

type Engine = { prepare: Step; role: Role };
const enginePace = { readyWithinMs: 60_000, stopWithinMs: 3500 };

function postgresEngine({ dir, ports }: Setting, password: string): Engine {
  let launch: (() => Launch) | undefined;
  const run = async () => {
    launch = await preparePostgres({ folder: dir.postgres, port: ports.postgres, password });
  };
  const made = existsSync(join(dir.postgres, "PG_VERSION"));
  return {
    prepare: made ? { kind: "quiet", run } : { kind: "task", name: "new database", run },
    role: {
      name: "postgres",
      launch: () => marked(launch!(), dir),
      isReady: () => postgresAccepts(ports.postgres),
      stopSignal: "SIGINT",
      ...enginePace,
    },
  };
}

function redisEngine({ dir, ports, redisUrl }: Setting): Engine {
  let launch: (() => Launch) | undefined;
  const run: Task = async (say) => {
    launch = prepareRedis(await requireRedis(say), dir.redis, ports.redis);
  };
  return {
    prepare: { kind: "quiet", run },
    role: {
      name: "redis",
      launch: () => marked(launch!(), dir),
      isReady: async () => (await pingRedis(redisUrl)) === "ready",
      stopSignal: "SIGTERM",
      ...enginePace,
    },
  };
}

const marked = (launch: Launch, dir: DataDir): Launch => ({
  ...launch,
  env: { ...launch.env, [mark]: dir.path },
});

function environment(setting: Setting, configuration: Configuration): Record<string, string> {
  const { dir, ports, options, databaseUrl, redisUrl } = setting;
  return {
    NODE_COMPILE_CACHE: join(dir.path, "cache"),
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

async function prepareDatabase(setting: Setting, signal: AbortSignal): Promise<void> {
  const log = openLog(setting.dir.log("database"));
  const create = setting.configuration.DATABASE_URL ? [] : ["--create"];
  const child = spawn(process.execPath, [join(root, "apps/cli/src/prepare-database.ts"), ...create], {
    cwd: root,
    env: environment(setting, setting.configuration),
    stdio: ["ignore", log, log, "ipc"],
    detached: true,
    signal,
  });
  closeLog(log);
  const answer = await new Promise<Answer>((resolve) => {
    child.once("message", (message) => resolve(message as Answer));
    child.once("error", () => {});
    child.once("exit", (code, signal) =>
      resolve({
        message: `The database could not be prepared (${signal ?? `exit ${code}`}).`,
        mend: "See: ./signalbox logs database",
      }),
    );
  });
  if ("message" in answer) throw new Fault(answer.message, answer.mend);
}

function platformRole(setting: Setting, name: string, main: string, healthPort?: number): Role {
  const { configuration, options, ports } = setting;
  return {
    name,
    configuration,
    launch: (chosen) => ({
      command: process.execPath,
      args: [
        ...(options.watch ? ["--watch"] : []),
        ...(name === "api" ? nodeFlags.calls : [...nodeFlags.jobs, "--max-old-space-size=384"]),
        join(root, main),
      ],
      cwd: root,
      env: {
        // Passwords are hashed on as many threads as there are cores and one more; one stays free for all that is short.
        ...(name === "api" && { UV_THREADPOOL_SIZE: String(Math.max(4, availableParallelism() + 2)) }),
        ...environment(setting, chosen),
        SIGNALBOX_HEALTH_PORT: String(healthPort ?? 0),
      },
    }),
    isReady: () => answers(`http://127.0.0.1:${healthPort ?? ports.gateway}/readyz`),
    isLive: () => answers(`http://127.0.0.1:${healthPort ?? ports.gateway}/livez`),
    readyWithinMs: 30_000,
    stopSignal: "SIGTERM",
    stopWithinMs: 4000,
  };
}

/** Seals the keys of the install, so it is told of all of them. */
function backupRole(setting: Setting): Role {
  const { configuration, dir, ports } = setting;
  secretOnce(dir.recoveryKey, newRecoveryKey);
  const role = platformRole(setting, "backup", "apps/cli/src/backup/agent.ts", ports.backup);
  return {
    ...role,
    launch: (chosen) => {
      const launch = role.launch(chosen);
      return {
        ...launch,
        env: {
          SIGNALBOX_RECOVERY_KEY_FILE: dir.recoveryKey,
          ...launch.env,
          ...(!configuration.DATABASE_URL && { DATABASE_PASSWORD_FILE: dir.postgresPassword }),
        },
      };
    },
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
        args: [...(options.watch ? [] : nodeFlags.console), ...args],
        cwd,
        env: {
          ...environment(setting, chosen),
          MALLOC_ARENA_MAX: "2",
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

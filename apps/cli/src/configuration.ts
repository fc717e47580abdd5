// User configuration: the command's environment wins over <data-dir>/config.env, which wins over .env at the root.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseEnv } from "node:util";
import type { DataDir } from "./data-dir.ts";
import { root } from "./repository.ts";

export type Configuration = Record<string, string>;

const ours = /^(SIGNALBOX|DATABASE|REDIS|S3|CLICKHOUSE|KAFKA|PROMETHEUS|OTEL|SMTP|LOG)_|^NODE_OPTIONS$/;

// What the command decides by itself; a value from outside would only contradict it.
const decided =
  /^SIGNALBOX_(GATEWAY_PORT|OPERATOR_PORT|HEALTH_PORT|DATA_DIR|SECRET_FILE|OPERATOR_TOKEN_FILE|NAME|INSTALL)$/;

export function readConfiguration(dir: DataDir, environment: NodeJS.ProcessEnv = process.env): Configuration {
  const merged: Configuration = {};
  for (const file of [join(root, ".env"), dir.configFile])
    if (existsSync(file)) Object.assign(merged, parseEnv(readFileSync(file, "utf8")));
  for (const [name, value] of Object.entries(environment))
    if (value !== undefined && ours.test(name)) merged[name] = value;
  return Object.fromEntries(
    Object.entries(merged)
      .filter(([name, value]) => !decided.test(name) && value !== "")
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  );
}

// The part of the environment that is the machine's (PATH, HOME, certificates), not configuration of ours.
export function machineEnvironment(environment: NodeJS.ProcessEnv = process.env): Configuration {
  return Object.fromEntries(
    Object.entries(environment).filter(
      (entry): entry is [string, string] => entry[1] !== undefined && !ours.test(entry[0]),
    ),
  );
}

// What is backed up: the install of a data folder on this machine, or, inside of a container, the one that the environment names.
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { readConfig } from "@signalbox/core/config";
import type { Values } from "../command.ts";
import { readConfiguration } from "../configuration.ts";
import { chosenDataDir, type DataDir, readSecret, secretOnce } from "../data-dir.ts";
import { Fault } from "../fault.ts";
import { readRunFile } from "../install.ts";
import { commit, platformVersion } from "../repository.ts";
import { type Keys, readPassphrase } from "./keys.ts";
import { newRecoveryKey } from "./recovery-key.ts";
import type { Source } from "./take.ts";

const isContained = (env = process.env) => env.SIGNALBOX_SECRET_FILE?.includes("/run/secrets/");

/** Where backups are kept where nothing else is said. */
export function backupsOf(values: Values): string {
  const dir = chosenDataDir(values);
  return resolve(
    String(values.to ?? readConfiguration(dir).SIGNALBOX_BACKUP_DIR ?? join(dir.path, "backups")),
  );
}

const keyFiles: Record<string, string> = {
  secret: "SIGNALBOX_SECRET_FILE",
  operator_token: "SIGNALBOX_OPERATOR_TOKEN_FILE",
  postgres_password: "DATABASE_PASSWORD_FILE",
  redis_password: "REDIS_PASSWORD_FILE",
  master_key: "SIGNALBOX_MASTER_KEY_FILE",
};

export function readSource(values: Values): Source {
  if (isContained()) return readSourceFromEnvironment(values);
  const dir = chosenDataDir(values);
  const run = readRunFile(dir);
  if (!run)
    throw new Fault(
      `No install runs in ${dir.path}.`,
      "Start it first, as its database is copied while it runs: ./signalbox up --detach",
    );
  const passphrase = passphraseOf(values, dir);
  return {
    databaseUrl: readConfiguration(dir).DATABASE_DIRECT_URL ?? run.postgres,
    keys: keysOf(dir),
    passphrase,
    objects: join(dir.path, "objects"),
    version: platformVersion(),
    commit: commit(),
  };
}

/** Of a process whose environment says all, as in a container. */
export function readSourceFromEnvironment(values: Values = {}): Source {
  const config = readConfig(process.env);
  return {
    databaseUrl: config.DATABASE_DIRECT_URL ?? config.DATABASE_URL,
    keys: keysFrom(process.env),
    passphrase: passphraseOf(values),
    objects: join(config.SIGNALBOX_DATA_DIR, "objects"),
    version: config.SIGNALBOX_VERSION,
    commit: config.SIGNALBOX_COMMIT,
  };
}

function keysFrom(env: NodeJS.ProcessEnv): Keys {
  const keys: Keys = {};
  for (const [name, variable] of Object.entries(keyFiles)) {
    const path = env[variable];
    if (path && existsSync(path)) keys[name] = readFileSync(path, "utf8").replace(/\r?\n$/, "");
  }
  return keys;
}

function keysOf(dir: DataDir): Keys {
  const { SIGNALBOX_MASTER_KEY_FILE: master } = readConfiguration(dir);
  return {
    secret: readSecret(dir.masterKey),
    operator_token: readSecret(dir.operatorToken),
    postgres_password: readSecret(dir.postgresPassword),
    ...(master && { master_key: readFileSync(master, "utf8") }),
    ...(existsSync(dir.configFile) && { config: readFileSync(dir.configFile, "utf8") }),
  };
}

/** A file that is named wins over the install's own recovery key, which is made at the first backup. */
function passphraseOf(values: Values, dir?: DataDir): string {
  const given = values["passphrase-file"] ?? process.env.SIGNALBOX_RECOVERY_KEY_FILE;
  if (given) return readPassphrase(String(given));
  if (!dir)
    throw new Fault(
      "There is no recovery key to seal the keys with.",
      "Make it: ./signalbox compose init; or name one: --passphrase-file FILE",
    );
  if (!existsSync(dir.recoveryKey)) {
    secretOnce(dir.recoveryKey, newRecoveryKey);
    console.log(`  Made the recovery key ${dir.recoveryKey}.`);
    console.log(
      `  Keep a copy of it apart from this machine: without it no backup can be restored elsewhere.`,
    );
  }
  return readPassphrase(dir.recoveryKey);
}

/** To open a backup: the file that is named, or the recovery key of the install whose backup it is, or of the one restored to. */
export function passphraseFor(values: Values, archivePath: string): string {
  const given = values["passphrase-file"] ?? process.env.SIGNALBOX_RECOVERY_KEY_FILE;
  if (given) return readPassphrase(String(given));
  const beside = dataDirOf(dirname(dirname(archivePath)));
  for (const path of [beside, chosenDataDir(values).recoveryKey])
    if (existsSync(path)) return readPassphrase(path);
  throw new Fault(
    "The keys of a backup are sealed, and there is no recovery key here.",
    "Name the file that holds it: --passphrase-file FILE; nothing was changed.",
  );
}

const dataDirOf = (path: string) => join(path, "secrets", "recovery-key");

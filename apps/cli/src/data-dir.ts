// The data folder of one install: its layout, and the secrets that are made once and never again.
import { randomBytes } from "node:crypto";
import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, resolve } from "node:path";
import type { Values } from "./command.ts";
import { Fault } from "./fault.ts";
import { root } from "./repository.ts";

export type DataDir = ReturnType<typeof dataDirAt>;

export function dataDirAt(path: string) {
  return {
    path,
    postgres: join(path, "postgres"),
    redis: join(path, "redis"),
    logs: join(path, "logs"),
    lastGood: join(path, "last-good"),
    configFile: join(path, "config.env"),
    runFile: join(path, "run.json"),
    stateFile: join(path, "state.json"),
    lockFile: join(path, "supervisor.json"),
    masterKey: join(path, "secrets", "master.key"),
    operatorToken: join(path, "secrets", "operator-token"),
    postgresPassword: join(path, "secrets", "postgres-password"),
    recoveryKey: join(path, "secrets", "recovery-key"),
    log: (name: string) => join(path, "logs", `${name}.log`),
  };
}

export function chosenDataDir(values: Values): DataDir {
  return dataDirAt(resolve(String(values["data-dir"] ?? join(root, ".signalbox"))));
}

const smallestFreeBytes = 200e6;

export function prepareDataDir(dir: DataDir): void {
  try {
    makeFolder(dir.path);
    const probe = join(dir.path, `.write-probe-${process.pid}`);
    writeFileSync(probe, "x");
    rmSync(probe);
  } catch (error) {
    throw unwritable(dir.path, error as NodeJS.ErrnoException);
  }
  for (const name of ["logs", "secrets", "objects", "control", "last-good"])
    mkdirSync(join(dir.path, name), { recursive: true, mode: 0o700 });
  chmodSync(join(dir.path, "secrets"), 0o700);
  const { bavail, bsize } = statfsSync(dir.path);
  if (bavail * bsize < smallestFreeBytes)
    throw new Fault(
      `The disk under ${dir.path} is full (${Math.round((bavail * bsize) / 1e6)} MB free).`,
      "Free at least 200 MB, or choose another folder with --data-dir DIR.",
    );
  secretOnce(dir.masterKey, () => randomBytes(32).toString("base64url"));
  secretOnce(dir.operatorToken, () => `sbo_${randomBytes(32).toString("base64url")}`);
  secretOnce(dir.postgresPassword, () => randomBytes(24).toString("base64url"));
}

// Step by step, as the recursive form of mkdir hides why it failed, or never ends, on odd file systems.
function makeFolder(path: string): void {
  if (existsSync(path)) return;
  if (path !== dirname(path)) makeFolder(dirname(path));
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
}

export function unwritable(path: string, { code }: NodeJS.ErrnoException): Fault {
  const why =
    code === "EROFS"
      ? "the file system is read-only"
      : code === "ENOSPC"
        ? "the disk is full"
        : code === "ENOTDIR" || code === "EEXIST"
          ? "a file stands in its place"
          : code === "ENOENT"
            ? "no folder can be made there"
            : code === "EACCES" || code === "EPERM"
              ? "no permission"
              : (code ?? "unknown reason");
  return new Fault(
    `The data folder ${path} cannot be written: ${why}.`,
    "Make it writable for this user, or choose another: ./signalbox up --data-dir DIR",
  );
}

// Linked into place, so that two starts at once agree on one secret and a crash leaves none half written.
export function secretOnce(path: string, make: () => string): void {
  const temporary = `${path}.${process.pid}.new`;
  try {
    if (readFileSync(path, "utf8").trim()) return;
    throw new Fault(
      `The secret ${path} is empty.`,
      "Restore it from a backup, or delete the file to have a new one made.",
    );
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
  writeFileSync(temporary, `${make()}\n`, { mode: 0o600 });
  try {
    linkSync(temporary, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  } finally {
    rmSync(temporary, { force: true });
  }
}

export const readSecret = (path: string) => readFileSync(path, "utf8").trim();

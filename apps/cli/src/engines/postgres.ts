// The embedded Postgres: makes its folder once, says how it is launched, and finds one that was left behind.
import { spawn } from "node:child_process";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Fault } from "../fault.ts";
import { commandLine, type Identity, identify, workingFolder } from "../process-identity.ts";
import type { Launch } from "../supervisor/role.ts";
import { findPostgres } from "./postgres-binaries.ts";
import { engineUser, giveTo, type SystemUser } from "./system-user.ts";

const databaseUser = "signalbox";
const databaseName = "signalbox";

// Sized for a laptop that runs everything else beside it.
const settings: Record<string, string> = {
  wal_level: "logical",
  shared_buffers: "64MB",
  max_connections: "100",
  max_wal_senders: "10",
  max_replication_slots: "10",
  max_slot_wal_keep_size: "1GB",
  max_wal_size: "512MB",
  min_wal_size: "80MB",
  work_mem: "4MB",
  maintenance_work_mem: "64MB",
  effective_cache_size: "512MB",
  random_page_cost: "1.1",
  jit: "off",
  max_parallel_workers_per_gather: "0",
  max_logical_replication_workers: "0",
  autovacuum_max_workers: "2",
  autovacuum_naptime: "30s",
  password_encryption: "scram-sha-256",
  timezone: "UTC",
  log_timezone: "UTC",
  // The application's name ends with the id of the request that is served.
  log_line_prefix: "%m [%p] %a ",
  log_checkpoints: "off",
  idle_in_transaction_session_timeout: "60s",
};

// Separate worker processes for reading cost memory and gain nothing at this size.
const since18: Record<string, string> = { io_method: "sync" };

const forTests: Record<string, string> = {
  fsync: "off",
  synchronous_commit: "off",
  full_page_writes: "off",
  max_connections: "300",
  max_wal_senders: "60",
  max_replication_slots: "60",
  autovacuum_naptime: "300s",
};

export type PostgresOptions = { folder: string; port: number; password: string; throwaway?: boolean };

export async function preparePostgres(options: PostgresOptions): Promise<() => Launch> {
  const { folder, port } = options;
  const user = engineUser();
  const binaries = findPostgres(user);
  const made = existsSync(join(folder, "PG_VERSION"));
  if (!made) await initialize(options, binaries, user);
  const major = Number(readFileSync(join(folder, "PG_VERSION"), "utf8"));
  if (major !== binaries.major)
    throw new Fault(
      `The database in ${folder} was made by Postgres ${major}, and this is Postgres ${binaries.major}.`,
      `Start it once with the version of Signalbox that made it and take a backup, or choose another --data-dir.`,
    );
  chownSync(folder, user?.uid ?? process.getuid!(), user?.gid ?? process.getgid!());
  writeSettings(folder, binaries.major, options.throwaway ?? false, user);
  return () => {
    removeStalePidFile(folder);
    return {
      command: join(binaries.folder, "postgres"),
      args: [
        "-D",
        dataFolder(folder, user),
        ...["-c", `port=${port}`, "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="],
        ...(options.throwaway ? [] : ["-c", "fsync=on"]),
      ],
      cwd: folder,
      env: { LANG: "C", TZ: "UTC", PATH: process.env.PATH ?? "" },
      ...user,
    };
  };
}

// The other user may not be allowed to walk down to the data folder, but it starts inside it, and this name
// leads there without walking. Postgres stays in its folder and uses relative paths from then on.
const dataFolder = (folder: string, user: SystemUser | undefined) =>
  user && process.platform === "linux" ? "/proc/self/cwd" : folder;

async function initialize(
  { folder, password, throwaway }: PostgresOptions,
  { folder: bin, major }: { folder: string; major: number },
  user: SystemUser | undefined,
): Promise<void> {
  // Made beside and moved, so that a start cut short leaves no half-made database.
  const partial = `${folder}.new`;
  rmSync(partial, { recursive: true, force: true });
  mkdirSync(partial, { recursive: true, mode: 0o700 });
  giveTo(user, partial);
  const scratch = mkdtempSync(join(tmpdir(), "signalbox-initdb-"));
  const passwordFile = join(scratch, "password");
  try {
    writeFileSync(passwordFile, password, { mode: 0o600 });
    giveTo(user, scratch);
    giveTo(user, passwordFile);
    const locale =
      major >= 17
        ? ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        : ["--locale=C.UTF-8", "--locale-provider=libc"];
    const args = [
      ...["-D", dataFolder(partial, user), "-U", databaseUser, `--pwfile=${passwordFile}`],
      ...["--auth=scram-sha-256", "--encoding=UTF8", ...locale, "--data-checksums", "--no-instructions"],
      ...(throwaway ? ["--no-sync"] : []),
    ];
    const { code, output } = await run(join(bin, "initdb"), args, partial, user);
    if (code !== 0) {
      const line =
        output.split("\n").findLast((text) => /error|fatal|could not/i.test(text)) ?? output.trim();
      if (/No space left/.test(output))
        throw new Fault("The disk is full.", "Free at least 500 MB and start again.");
      throw new Fault(
        `Postgres could not make its database: ${line}`,
        "Run ./signalbox doctor, or set DATABASE_URL to another Postgres.",
      );
    }
    renameSync(partial, folder);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
    rmSync(partial, { recursive: true, force: true });
  }
}

function writeSettings(
  folder: string,
  major: number,
  throwaway: boolean,
  user: SystemUser | undefined,
): void {
  const all = { ...settings, ...(major >= 18 ? since18 : {}), ...(throwaway ? forTests : {}) };
  const lines = Object.entries(all).map(([name, value]) => `${name} = '${value}'`);
  const own = join(folder, "signalbox.conf");
  writeFileSync(
    own,
    `# Written at every start. Your own settings go into postgresql.conf.\n${lines.join("\n")}\n`,
    {
      mode: 0o600,
    },
  );
  giveTo(user, own);
  const main = join(folder, "postgresql.conf");
  const text = readFileSync(main, "utf8");
  // initdb writes its own guesses for some of these: they go, what a person adds below the include stays and wins.
  if (text.startsWith("include_if_exists = 'signalbox.conf'")) return;
  const kept = text
    .split("\n")
    .filter((line) => !Object.keys(all).some((name) => line.startsWith(`${name} =`)));
  writeFileSync(main, `include_if_exists = 'signalbox.conf'\n${kept.join("\n")}`);
  chmodSync(main, 0o600);
}

function run(command: string, args: string[], cwd: string, user: SystemUser | undefined) {
  return new Promise<{ code: number | null; output: string }>((resolve, reject) => {
    const child = spawn(command, args, {
      cwd,
      ...user,
      stdio: ["ignore", "pipe", "pipe"],
      env: { LANG: "C", PATH: process.env.PATH ?? "", TZ: "UTC" },
    });
    let output = "";
    child.stdout.on("data", (chunk) => (output += chunk));
    child.stderr.on("data", (chunk) => (output += chunk));
    child.once("error", reject);
    child.once("close", (code) => resolve({ code, output }));
  });
}

// A postmaster of this folder that is still there, whoever started it.
export function leftPostgres(folder: string): Identity | undefined {
  try {
    const pid = Number(readFileSync(join(folder, "postmaster.pid"), "utf8").split("\n")[0]);
    if (!Number.isInteger(pid) || pid <= 1) return undefined;
    const ours = /postgres/.test(commandLine(pid)) && workingFolder(pid) === realpathSync(folder);
    return ours ? identify(pid) : undefined;
  } catch {
    return undefined;
  }
}

// After a kill the file stays, and its pid may by now be somebody else's, which Postgres cannot tell.
function removeStalePidFile(folder: string): void {
  if (!leftPostgres(folder)) rmSync(join(folder, "postmaster.pid"), { force: true });
}

// Asks as pg_isready does: a server that wants a password accepts connections, one that is starting answers 57P03.
export function postgresAccepts(port: number, host = "127.0.0.1"): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host });
    const done = (ready: boolean) => {
      socket.destroy();
      resolve(ready);
    };
    socket.setTimeout(1000, () => done(false));
    socket.once("error", () => done(false));
    socket.once("close", () => done(false));
    socket.once("connect", () => {
      const words = Buffer.from(`user\0${databaseUser}\0database\0postgres\0\0`);
      const head = Buffer.alloc(8);
      head.writeInt32BE(words.length + 8, 0);
      head.writeInt32BE(196_608, 4);
      socket.write(Buffer.concat([head, words]));
    });
    socket.once("data", (answer) => done(answer[0] === 0x52));
  });
}

export const embeddedDatabaseUrl = (port: number, password: string, database = databaseName) =>
  `postgres://${databaseUser}:${password}@127.0.0.1:${port}/${database}`;

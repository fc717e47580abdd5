// A streaming copy of an install's Postgres, made as a base backup makes one: the folder is copied between pg_backup_start and
// pg_backup_stop, and a server that starts in the copy fetches the rest from the primary.

import { type ChildProcess, spawn } from "node:child_process";
import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import postgres from "postgres";
import { postgresAccepts, preparePostgres } from "../engines/postgres.ts";
import { engineUser, giveTo } from "../engines/system-user.ts";
import { familyOf, signalAll } from "./family.ts";
import type { TestInstall } from "./install.ts";

export type Standby = {
  sql: postgres.Sql;
  start(): Promise<void>;
  /** Of the server and all that it started. */
  signal(signal: NodeJS.Signals): void;
  stop(): Promise<void>;
};

const left = /^(postmaster\.(pid|opts)|pg_replslot\/.+|pg_wal\/.+|pg_stat_tmp\/.+|pg_dynshmem\/.+)$/;

/** What goes while it is copied is not missed: the log says what became of it. */
function copyLive(from: string, to: string): void {
  const filter = (path: string) => !left.test(path.slice(from.length + 1));
  for (let tries = 5; ; tries -= 1)
    try {
      cpSync(from, to, { recursive: true, filter });
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT" || tries === 0) throw error;
    }
}

export async function makeStandby(install: TestInstall, port: number): Promise<Standby> {
  const primary = new URL(install.runFile().postgres);
  const from = join(install.dataDir, "postgres");
  const base = mkdtempSync(join(tmpdir(), "signalbox-standby-"));
  const folder = join(base, "postgres");
  const user = engineUser();
  giveTo(user, base);

  const admin = postgres(primary.href, { max: 1, onnotice: () => {} });
  try {
    await admin`select pg_backup_start('a standby', true)`;
    copyLive(from, folder);
    const [label] = await admin<{ labelfile: string }[]>`select labelfile from pg_backup_stop(false)`;
    writeFileSync(join(folder, "backup_label"), label!.labelfile);
  } finally {
    await admin.end();
  }
  const conninfo =
    `host=${primary.hostname} port=${primary.port} user=${primary.username} ` +
    `password=${decodeURIComponent(primary.password)}`;
  writeFileSync(join(folder, "standby.signal"), "");
  writeFileSync(join(folder, "postgresql.auto.conf"), `primary_conninfo = '${conninfo}'\n`);
  // Whoever knows the address may read: it is a test's.
  writeFileSync(join(folder, "pg_hba.conf"), "host all all 127.0.0.1/32 trust\n");
  const launch = await preparePostgres({ folder, port, password: "", throwaway: true });
  const own = spawn("chown", ["-R", user ? `${user.uid}:${user.gid}` : String(process.getuid!()), folder]);
  await new Promise((resolve) => own.once("close", resolve));

  let server: ChildProcess | undefined;
  const address = `postgres://${primary.username}@127.0.0.1:${port}${primary.pathname}`;
  const sql = postgres(address, { max: 1, onnotice: () => {}, connect_timeout: 5 });
  const signal = (signal: NodeJS.Signals) => {
    if (server?.pid) signalAll(familyOf(server.pid), signal);
  };
  const gone = async () => {
    while (server && server.exitCode === null && server.signalCode === null) await pause(20);
  };
  return {
    sql,
    signal,
    async start() {
      await gone();
      rmSync(join(folder, "postmaster.pid"), { force: true });
      const { command, args, ...options } = launch();
      server = spawn(command, args, { ...options, stdio: ["ignore", "ignore", "pipe"] });
      let words = "";
      server.stderr!.setEncoding("utf8").on("data", (text: string) => {
        words = (words + text).slice(-4_000);
      });
      for (const end = performance.now() + 30_000; !(await postgresAccepts(port)); await pause(50))
        if (performance.now() > end || server.exitCode !== null)
          throw new Error(`the standby did not start: ${words}`);
    },
    async stop() {
      await sql.end({ timeout: 1 });
      signal("SIGCONT");
      signal("SIGKILL");
      await gone();
      rmSync(base, { recursive: true, force: true });
    },
  };
}

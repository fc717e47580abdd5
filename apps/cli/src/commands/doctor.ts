// doctor: looks at the machine and at everything an install depends on, and names the one line that mends each fault.
import { existsSync, mkdirSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { chromiumMend, findChromium } from "../chromium.ts";
import { type Command, dataDirOption, wholeNumber } from "../command.ts";
import { type Configuration, readConfiguration } from "../configuration.ts";
import { chosenDataDir, type DataDir, unwritable } from "../data-dir.ts";
import { requireUsableDatabase } from "../database-checks.ts";
import { findPostgres } from "../engines/postgres-binaries.ts";
import { findRedis, redisMend, requireAnsweringRedis } from "../engines/redis.ts";
import { engineUser } from "../engines/system-user.ts";
import { toFault } from "../fault.ts";
import { type Finding, installFindings } from "../install-checks.ts";
import { holderOf, isFree, largestPortBase, portsFrom } from "../ports.ts";
import { dim, green, red, yellow } from "../screen.ts";
import { lockHolder } from "../supervisor/lock.ts";

export const command: Command = {
  name: "doctor",
  usage: "doctor [--install] [--data-dir DIR] [--port-base N]",
  text: "Checks this machine and every dependency; each fault comes with the line to type. Exit code 1 if one must be mended.",
  words: 0,
  options: {
    ...dataDirOption,
    install: {
      type: "boolean",
      text: "only the install that runs, all the way through, and nothing of this machine",
    },
    gateway: { type: "string", value: "URL", text: "with --install in a container: where its gateway is" },
    "port-base": { type: "string", value: "N", text: "check the ports that up --port-base N would use" },
  },
  async run(values) {
    const dir = chosenDataDir(values);
    if (values.install) return show(await installFindings(dir, values.gateway as string | undefined));
    const ports = portsFrom(wholeNumber(values, "port-base", 0, largestPortBase));
    const configuration = readConfiguration(dir);
    const runs = lockHolder(dir.lockFile) !== undefined;
    const findings = [
      runtime(),
      rights(),
      dataFolder(dir),
      disk(dir),
      ...(runs
        ? await installFindings(dir, undefined)
        : [await database(configuration), await redis(configuration)]),
      ...(await freePorts(dir, ports, configuration)),
      browser(),
    ];
    return show(findings);
  },
};

function show(findings: Finding[]): number {
  const width = Math.max(12, ...findings.map(({ name }) => name.length));
  for (const { name, state, text, mend } of findings) {
    const sign = state === "ok" ? green("ok  ") : state === "warn" ? yellow("warn") : red("fail");
    console.log(
      `${sign} ${name.padEnd(width)} ${text}${mend ? `\n     ${" ".repeat(width)} ${dim(mend)}` : ""}`,
    );
  }
  return findings.some(({ state }) => state === "fail") ? 1 : 0;
}

function runtime(): Finding {
  const [major] = process.versions.node.split(".");
  const text = `Node.js ${process.versions.node} (${process.execPath})`;
  return Number(major) >= 24
    ? { name: "runtime", state: "ok", text }
    : { name: "runtime", state: "fail", text, mend: "Type: npm ci" };
}

function rights(): Finding {
  const uid = process.getuid?.();
  if (uid !== 0)
    return { name: "user", state: "ok", text: `an ordinary user (uid ${uid}): the engines run as that user` };
  try {
    return {
      name: "user",
      state: "ok",
      text: `root: the engines run as a system user (uid ${engineUser()!.uid})`,
    };
  } catch (error) {
    return failed("user", error);
  }
}

function dataFolder(dir: DataDir): Finding {
  const name = "data folder";
  // Checking must leave nothing behind, so a folder that does not exist is asked about at its nearest parent.
  let folder = dir.path;
  while (!existsSync(folder)) folder = dirname(folder);
  const probe = join(folder, `.signalbox-probe-${process.pid}`);
  try {
    mkdirSync(probe);
    writeFileSync(join(probe, "x"), "x");
    return { name, state: "ok", text: dir.path };
  } catch (error) {
    return failed(name, unwritable(dir.path, error as NodeJS.ErrnoException));
  } finally {
    rmSync(probe, { recursive: true, force: true });
  }
}

function disk(dir: DataDir): Finding {
  let folder = dir.path;
  while (!existsSync(folder)) folder = dirname(folder);
  const { bavail, bsize } = statfsSync(folder);
  const free = bavail * bsize;
  const text = `${(free / 1e9).toFixed(1)} GB free`;
  const mend = `Free some space under ${folder}, or choose another folder with --data-dir DIR.`;
  if (free < 500e6) return { name: "disk", state: "fail", text, mend };
  return free < 2e9 ? { name: "disk", state: "warn", text, mend } : { name: "disk", state: "ok", text };
}

async function database({ DATABASE_URL, DATABASE_DIRECT_URL }: Configuration): Promise<Finding> {
  const name = "Postgres";
  try {
    const url = DATABASE_DIRECT_URL ?? DATABASE_URL;
    if (url) {
      await requireUsableDatabase(url);
      return { name, state: "ok", text: `DATABASE_URL answers (${new URL(url).host})` };
    }
    const { major, folder } = findPostgres(engineUser());
    return { name, state: "ok", text: `${major}, embedded (${folder})` };
  } catch (error) {
    return failed(name, error);
  }
}

async function redis({ REDIS_URL }: Configuration): Promise<Finding> {
  const name = "Redis";
  try {
    if (REDIS_URL) {
      await requireAnsweringRedis(REDIS_URL);
      return { name, state: "ok", text: `REDIS_URL answers (${new URL(REDIS_URL).host})` };
    }
  } catch (error) {
    return failed(name, error);
  }
  const found = findRedis();
  if (found) return { name, state: "ok", text: found };
  const willInstall = process.getuid?.() === 0 && existsSync("/usr/bin/apt-get");
  return willInstall
    ? { name, state: "warn", text: "not installed: up installs it", mend: redisMend.replace("sudo ", "") }
    : { name, state: "fail", text: "neither redis-server nor valkey-server is on the PATH", mend: redisMend };
}

async function freePorts(
  dir: DataDir,
  ports: ReturnType<typeof portsFrom>,
  configuration: Configuration,
): Promise<Finding[]> {
  const name = "ports";
  if (lockHolder(dir.lockFile))
    return [{ name, state: "ok", text: "in use by the install that runs in this data folder" }];
  const taken: Finding[] = [];
  for (const [part, port] of Object.entries(ports)) {
    if (part === "postgres" && configuration.DATABASE_URL) continue;
    if (part === "redis" && configuration.REDIS_URL) continue;
    if (await isFree(port, "127.0.0.1")) continue;
    const mend = "Stop that process, or type: ./signalbox up --port-base 1000";
    taken.push({ name, state: "fail", text: `${port} (${part}) is taken by ${holderOf(port)}`, mend });
  }
  return taken.length ? taken : [{ name, state: "ok", text: Object.values(ports).join(", ") }];
}

function browser(): Finding {
  const found = findChromium();
  return found
    ? { name: "Chromium", state: "ok", text: found }
    : {
        name: "Chromium",
        state: "warn",
        text: "not installed; only the browser tests need it",
        mend: chromiumMend,
      };
}

function failed(name: string, error: unknown): Finding {
  const { message, mend } = toFault(error);
  return { name, state: "fail", text: message, mend };
}

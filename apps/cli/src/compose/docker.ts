// The Docker that is here: whether it will do, and Compose run in a site's folder.
import { spawn, spawnSync } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { Fault } from "../fault.ts";
import { root } from "../repository.ts";
import type { Site } from "./site.ts";

const oldestCompose = "2.24";
/** The first that builds with BuildKit and starts Compose as a plugin everywhere. */
const oldestEngine = "20.10";

export function requireDocker(): { engine: string; compose: string } {
  const engine = ask(["version", "--format", "{{.Server.Version}}"]);
  if (!engine)
    throw new Fault(
      "No Docker engine answers.",
      "Install and start one (https://docs.docker.com/engine/install), or set DOCKER_HOST to where it is.",
    );
  if (isOlder(engine, oldestEngine))
    throw new Fault(`Docker ${engine} is too old: ${oldestEngine} or later is needed.`, "Update Docker.");
  const compose = ask(["compose", "version", "--short"]);
  if (!compose)
    throw new Fault(
      "This Docker has no Compose.",
      "Install its plugin: apt-get install docker-compose-plugin (Docker's packages) or docker-compose-v2 (Ubuntu's).",
    );
  if (isOlder(compose, oldestCompose))
    throw new Fault(
      `Compose ${compose} is too old: ${oldestCompose} or later is needed.`,
      "Update Docker Compose.",
    );
  return { engine, compose };
}

function isOlder(version: string, oldest: string): boolean {
  const [[major = 0, minor = 0], [wantedMajor = 0, wantedMinor = 0]] = [version, oldest].map((text) =>
    text.replace(/^v/, "").split(".").map(Number),
  ) as [number[], number[]];
  return major < wantedMajor || (major === wantedMajor && minor < wantedMinor);
}

function ask(words: string[], cwd?: string, patienceMs = 60_000): string | undefined {
  const { status, stdout } = spawnSync("docker", words, {
    encoding: "utf8",
    timeout: patienceMs,
    ...(cwd && { cwd }),
  });
  return status === 0 ? stdout.trim() : undefined;
}

/** Gives Compose's own exit status; its words go to the caller's screen. */
export const compose = (site: Site, words: string[]): Promise<number> =>
  show([...composeAt(site), ...words], site.folder);

type Given = {
  project?: string;
  env?: Record<string, string>;
  input?: string;
  inputFile?: string;
  outputFile?: string;
};

type Outcome = { code: number; stdout: string; stderr: string };

/** As `compose`, but what it says comes back. Words for standard input are few; a file goes as a file. */
export function composeSays(
  site: Site,
  words: string[],
  { project, env, input, inputFile, outputFile }: Given = {},
): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const stdin = inputFile === undefined ? "pipe" : openSync(inputFile, "r");
    const out = outputFile === undefined ? "pipe" : openSync(outputFile, "w", 0o600);
    const child = spawn("docker", [...composeAt(site, project), ...words], {
      cwd: site.folder,
      stdio: [stdin, out, "pipe"],
      env: { ...process.env, ...env },
    });
    for (const file of [stdin, out]) if (typeof file === "number") closeSync(file);
    let [stdout, stderr] = ["", ""];
    child.stdout?.setEncoding("utf8").on("data", (text: string) => (stdout += text));
    child.stderr!.setEncoding("utf8").on("data", (text: string) => (stderr += text));
    child.stdin?.on("error", () => {});
    child.stdin?.end(input ?? "");
    child.once("error", reject);
    child.once("close", (code) => resolve({ code: code ?? 1, stdout, stderr }));
  });
}

/** As `composeSays`, and a fault where it fails. */
export async function composeDoes(what: string, ...given: Parameters<typeof composeSays>): Promise<string> {
  const { code, stdout, stderr } = await composeSays(...given);
  if (code === 0) return stdout;
  const lines = stderr.split("\n").filter((text) => text.trim() !== "");
  const line = lines.find((text) => text.startsWith("signalbox: ")) ?? lines.at(-1) ?? `exit status ${code}`;
  const [, message = line, mend = ""] = /^signalbox: (.*?[.!?])(?: (.*))?$/.exec(line) ?? [];
  throw new Fault(line.startsWith("signalbox: ") ? message : `${what} failed: ${line}`, mend);
}

/** Undefined where it fails. */
export const docker = (words: string[], patienceMs?: number): string | undefined =>
  ask(words, undefined, patienceMs);

/** As `docker`, and a fault where it fails; takes as long as it takes. */
export function dockerDoes(what: string, words: string[]): void {
  const { status, stderr } = spawnSync("docker", words, { encoding: "utf8", maxBuffer: 1 << 24 });
  if (status !== 0) throw new Fault(`${what} failed: ${stderr.trim().split("\n").at(-1) ?? ""}`, "");
}

export function buildImage(target: string, tag: string): Promise<number> {
  // Where a company's proxy signs anew, its certificate is needed to fetch packages.
  const ca = process.env.NODE_EXTRA_CA_CERTS;
  const more = ca ? ["--secret", `id=ca,src=${ca}`] : [];
  const version = tag.slice(tag.lastIndexOf(":") + 1);
  return show(["build", "--target", target, "-t", tag, "--build-arg", `VERSION=${version}`, ...more, root]);
}

function show(words: string[], cwd?: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const env = { ...process.env, DOCKER_BUILDKIT: "1" };
    const child = spawn("docker", words, { stdio: "inherit", env, ...(cwd && { cwd }) });
    child.once("error", reject);
    child.once("close", (code) => resolve(code ?? 1));
  });
}

// Without naming the file, so that COMPOSE_FILE in .env counts.
const composeAt = ({ folder }: Site, project?: string) => [
  "compose",
  "--project-directory",
  folder,
  ...(project ? ["--project-name", project] : []),
];

/** What Compose would run, after .env and the environment. */
export function composeConfig(site: Site, env: Record<string, string> = {}): ComposeConfig {
  const words = [...composeAt(site), "config", "--format", "json"];
  const { status, stdout, stderr } = spawnSync("docker", words, {
    encoding: "utf8",
    cwd: site.folder,
    env: { ...process.env, ...env },
  });
  if (status !== 0) throw new Fault(`compose.yaml can not be read: ${stderr.trim()}.`, "Check compose/.env.");
  return JSON.parse(stdout) as ComposeConfig;
}

export const runningServices = (site: Site): string[] =>
  (ask([...composeAt(site), "ps", "--services"], site.folder) ?? "").split("\n");

export const lastWords = (site: Site, service: string): string =>
  ask([...composeAt(site), "logs", "--no-log-prefix", "--tail", "20", service], site.folder) ?? "";

type ComposeConfig = {
  name: string;
  volumes: Record<string, { name: string }>;
  services: Record<
    string,
    {
      image: string;
      environment?: Record<string, string>;
      ports?: { host_ip?: string; published?: string; target: number }[];
    }
  >;
};

export const hasImage = (image: string) =>
  ask(["image", "inspect", "--format", "{{.Id}}", image]) !== undefined;
